#include <numbers>

#include "lckv/kernels/cuda/attention_mma.cuh"
#include "lckv/kernels/cuda/attention_paths.h"

// Dao 2023, arXiv:2307.08691. A block owns 128 queries of one head, a warp 32 of them; keys and
// values stream past in tiles, the next one loading while this one is multiplied.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

struct ForwardArgs {
  HeadRows<Bf16> out;
  HeadStatistics<float> lse;
  HeadRows<const Bf16> q, k, v;
  MaskBounds mask;
  int heads, group;
  float scale_log2;
};

template <int kWidth>
struct ForwardTiles {
  static constexpr int kM = 2;
  static constexpr int kWarpQueries = 16 * kM;
  static constexpr int kQueries = kMmaWarps * kWarpQueries;
  static constexpr int kKeys = kWidth == 64 ? 64 : 32;  // as many as the registers allow
  static constexpr int kQueryBytes = Tile<kWidth>::bytes(kQueries);
  static constexpr int kKeyBytes = Tile<kWidth>::bytes(kKeys);
  static constexpr int kSharedBytes = kQueryBytes + 4 * kKeyBytes;  // Q, then K, V twice
};

/// Softmax of the rows of one warp as their scores arrive: row [m][half] is 16 m + 8 half + g.
template <int kM>
struct OnlineSoftmax {
  float largest_log2[kM][2];  // of this row so far, times scale_log2
  float sum[kM][2];           // of this lane's columns only

  __device__ __forceinline__ OnlineSoftmax() {
#pragma unroll
    for (int row = 0; row < 2 * kM; ++row) {
      largest_log2[row / 2][row % 2] = -kInfinity;
      sum[row / 2][row % 2] = 0.0f;
    }
  }

  /// Scores become weights relative to the largest score so far, and so does `out`.
  template <int kN8, int kOut>
  __device__ __forceinline__ void weigh(float (&s)[kM][kN8][4], float (&out)[kM][kOut][4],
                                        float scale_log2) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float& largest = largest_log2[m][half];
        const float before = largest;
        largest = fmaxf(before, scale_log2 * row_max(s[m], half));
        // Nothing seen yet: all weights must be 0, not 2^(-inf + inf).
        const float shift = largest == -kInfinity ? 0.0f : largest;
        const float keep = exp2_approximate(before - shift);
        float total = sum[m][half] * keep;
#pragma unroll
        for (int n = 0; n < kN8; ++n) {
#pragma unroll
          for (int j = 2 * half; j < 2 * half + 2; ++j) {
            s[m][n][j] = exp2_approximate(fmaf(s[m][n][j], scale_log2, -shift));
            total += s[m][n][j];
          }
        }
        sum[m][half] = total;
#pragma unroll
        for (int n = 0; n < kOut; ++n) {
          out[m][n][2 * half] *= keep;
          out[m][n][2 * half + 1] *= keep;
        }
      }
    }
  }

  /// Divides out by the sums and gives the log-sum-exp of each row; 0 and -inf without keys.
  template <int kOut>
  __device__ __forceinline__ void finish(float (&out)[kM][kOut][4], float (&lse)[kM][2]) {
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const float total = over_row(sum[m][half], [](float a, float b) { return a + b; });
        const float factor = total == 0.0f ? 0.0f : 1.0f / total;
        lse[m][half] = total == 0.0f
                           ? -kInfinity
                           : largest_log2[m][half] * std::numbers::ln2_v<float> + logf(total);
#pragma unroll
        for (int n = 0; n < kOut; ++n) {
          out[m][n][2 * half] *= factor;
          out[m][n][2 * half + 1] *= factor;
        }
      }
    }
  }

 private:
  /// Combines the four lanes that share a row.
  template <class F>
  __device__ __forceinline__ static float over_row(float x, const F& combine) {
    x = combine(x, __shfl_xor_sync(0xFFFFFFFFu, x, 1));
    return combine(x, __shfl_xor_sync(0xFFFFFFFFu, x, 2));
  }
  template <int kN8>
  __device__ __forceinline__ static float row_max(const float (&s)[kN8][4], int half) {
    float largest = -kInfinity;
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
      largest = fmaxf(largest, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
    }
    return over_row(largest, [](float a, float b) { return fmaxf(a, b); });
  }
};

/// The keys and values of one sequence and head, tile by tile.
template <int kWidth>
struct KeyTiles {
  using Tiles = ForwardTiles<kWidth>;
  const Bf16* k;
  const Bf16* v;
  int64_t k_stride, v_stride;
  int end;  // no key from here on is read
  uint32_t shared;

  __device__ __forceinline__ uint32_t keys(int tile) const {
    return shared + tile % 2 * 2 * Tiles::kKeyBytes;
  }
  __device__ __forceinline__ uint32_t values(int tile) const {
    return keys(tile) + Tiles::kKeyBytes;
  }
  __device__ __forceinline__ void load(int tile) const {
    load_tile<Tiles::kKeys, kWidth>(keys(tile), k, k_stride, tile * Tiles::kKeys, end);
    load_tile<Tiles::kKeys, kWidth>(values(tile), v, v_stride, tile * Tiles::kKeys, end);
  }
};

template <int kM>
__device__ __forceinline__ void store_lse(const float (&lse)[kM][2], const ForwardArgs& args, int b,
                                          int h, int first, int end) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (lane % 4 != 0) return;
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int i = first + 16 * m + 8 * half + lane / 4;
      if (i < end) args.lse.at(b, h, i) = lse[m][half];
    }
  }
}

/// Grid (B Hq, query tiles): the last queries, which see most keys, go first.
template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads, 2)
    forward_kernel(const __grid_constant__ ForwardArgs args) {
  using Tiles = ForwardTiles<kWidth>;
  constexpr int kM = Tiles::kM;
  extern __shared__ __align__(128) unsigned char shared_memory[];
  const int b = static_cast<int>(blockIdx.x) / args.heads;
  const int h = static_cast<int>(blockIdx.x) % args.heads;
  const int first = static_cast<int>(gridDim.y - 1 - blockIdx.y) * Tiles::kQueries;
  const int end = min(first + Tiles::kQueries, args.mask.queries);
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_first = first + warp * Tiles::kWarpQueries;
  const int warp_end = min(warp_first + Tiles::kWarpQueries, end);

  const SequenceMask mask(args.mask, b);
  const int keys_begin = mask.begin(first), keys_end = mask.end(end - 1);
  const SeenKeys seen(mask, warp_first, warp_end - 1);
  const uint32_t queries = shared_address(shared_memory);
  const KeyTiles<kWidth> keys{args.k.head(b, h / args.group),
                              args.v.head(b, h / args.group),
                              args.k.token_stride,
                              args.v.token_stride,
                              keys_end,
                              queries + Tiles::kQueryBytes};
  int tile = keys_begin / Tiles::kKeys;
  load_tile<Tiles::kQueries, kWidth>(queries, args.q.head(b, h), args.q.token_stride, first, end);
  if (tile * Tiles::kKeys < keys_end) keys.load(tile);
  cp_async_wait();
  __syncthreads();

  const int warp_bytes = warp * Tile<kWidth>::bytes(Tiles::kWarpQueries);
  // Wider heads leave no registers to keep the queries in.
  std::conditional_t<kWidth <= 64, HeldRows<kM, kWidth>, StoredRows<kM, kWidth>> q;
  if constexpr (kWidth <= 64) {
    q.load(queries + warp_bytes);
  } else {
    q.tile = queries + warp_bytes;
  }
  OnlineSoftmax<kM> softmax;
  float out[kM][kWidth / 8][4];
  set_zero(out);
  for (; tile * Tiles::kKeys < keys_end; ++tile) {
    const int tile_first = tile * Tiles::kKeys, tile_end = tile_first + Tiles::kKeys;
    if (tile_end < keys_end) keys.load(tile + 1);
    if (!seen.none(tile_first, tile_end)) {
      float s[kM][Tiles::kKeys / 8][4];
      multiply_rows<kWidth>(s, q, keys.keys(tile));
      if (!seen.whole(tile_first, tile_end))
        hide(s, SequenceMask(args.mask, b), warp_first, tile_first);
      softmax.weigh(s, out, args.scale_log2);
      add_weighted<kWidth>(out, s, keys.values(tile));
    }
    cp_async_wait();
    __syncthreads();  // the next tile is there, this one may be overwritten
  }
  float lse[kM][2];
  softmax.finish(out, lse);
  store_lse(lse, args, b, h, warp_first, end);
  store_rows<kWidth>(shared_memory + warp_bytes, out, args.out.head(b, h), args.out.token_stride,
                     warp_first, end);
}

template <int kWidth>
void launch(const ForwardArgs& args, const AttentionInputs& in) {
  using Tiles = ForwardTiles<kWidth>;
  allow_shared_bytes("attention_forward", forward_kernel<kWidth>, Tiles::kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.heads, ceil_div(in.sizes.queries, Tiles::kQueries));
  forward_kernel<kWidth><<<grid, kMmaThreads, Tiles::kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_forward");
}

}  // namespace

void forward_mma(const AttentionInputs& in, const View& out, const View& lse) {
  const ForwardArgs args{head_rows<Bf16>(out),
                         head_statistics<float>(lse),
                         head_rows<Bf16>(in.q),
                         head_rows<Bf16>(in.k),
                         head_rows<Bf16>(in.v),
                         in.mask,
                         in.sizes.heads,
                         in.sizes.group,
                         static_cast<float>(in.sizes.scale * std::numbers::log2e)};
  if (in.sizes.width == 64) {
    launch<64>(args, in);
  } else {
    launch<128>(args, in);
  }
}

}  // namespace lckv::ops::cuda
