#include <numbers>
#include <string>

#include "lckv/kernels/cuda/attention_wgmma.cuh"

// Shah et al. 2024, arXiv:2407.08608, with plain asynchronous copies. A block owns 128 queries of
// several heads, one head after the other; keys and values stream past in tiles of 128. The values
// of a tile are multiplied together with the keys of the next one.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kStages = 4;
constexpr int kKeys = 128;
constexpr int kKeyBytes = Tile<kWgmmaWidth>::bytes(kKeys);
constexpr int kStageBytes = 2 * kKeyBytes;  // k, v
// Steps, q twice, and a place where the output is put in order.
constexpr int kQueriesAt = kStages * kStageBytes;
constexpr int kOutAt = kQueriesAt + 2 * kBlockBytes;
constexpr int kSharedBytes = kOutAt + kBlockBytes;

struct ForwardArgs {
  HeadRows<Bf16> out;
  HeadStatistics<float> lse;
  HeadRows<const Bf16> q, k, v;
  MaskBounds mask;
  int heads, group;
  int run;  // heads of a block
  float scale_log2;
};

/// Softmax of a lane's two rows, g and g + 8 of its warp's, as their scores arrive.
struct TwoRowSoftmax {
  float largest_log2[2] = {-kInfinity, -kInfinity};  // so far, times scale_log2
  float sum[2] = {0.0f, 0.0f};                       // of this lane's columns only

  /// Scores become weights relative to the largest score so far, and so does `out`.
  template <int kN8, int kOut>
  __device__ __forceinline__ void weigh(float (&s)[kN8][4], float (&out)[kOut][4],
                                        float scale_log2) {
    float keep[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float before = largest_log2[half];
      const float largest = fmaxf(before, scale_log2 * row_max(s, half));
      largest_log2[half] = largest;
      // Nothing seen yet: all weights must be 0, not 2^(-inf + inf).
      const float shift = largest == -kInfinity ? 0.0f : largest;
      keep[half] = exp2_approximate(before - shift);
      float total[2] = {sum[half] * keep[half], 0.0f};
#pragma unroll
      for (int n = 0; n < kN8; ++n) {
#pragma unroll
        for (int j = 0; j < 2; ++j) {
          float& weight = s[n][2 * half + j];
          weight = exp2_approximate(fmaf(weight, scale_log2, -shift));
          total[j] += weight;
        }
      }
      sum[half] = total[0] + total[1];
    }
    scale_rows(out, keep);
  }

  /// Divides out by the sums and gives the log-sum-exp of each row; 0 and -inf without keys.
  template <int kOut>
  __device__ __forceinline__ void finish(float (&out)[kOut][4], float (&lse)[2]) const {
    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const float total = over_row(sum[half], [](float a, float b) { return a + b; });
      factor[half] = total == 0.0f ? 0.0f : 1.0f / total;
      lse[half] = total == 0.0f ? -kInfinity
                                : largest_log2[half] * std::numbers::ln2_v<float> + logf(total);
    }
    scale_rows(out, factor);
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
    float largest[2] = {-kInfinity, -kInfinity};
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
#pragma unroll
      for (int j = 0; j < 2; ++j) largest[j] = fmaxf(largest[j], s[n][2 * half + j]);
    }
    return over_row(fmaxf(largest[0], largest[1]), [](float a, float b) { return fmaxf(a, b); });
  }
  template <int kN8>
  __device__ __forceinline__ static void scale_rows(float (&c)[kN8][4], const float (&by)[2]) {
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) c[n][i] *= by[i / 2];
    }
  }
};

/// Grid (B Hq / run, query tiles): the last queries, which see most keys, go first.
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    forward_kernel(const __grid_constant__ ForwardArgs args) {
#ifdef LCKV_WGMMA
  extern __shared__ __align__(1024) unsigned char shared_memory[];
  __shared__ RingBarriers<kStages> step_barriers;
  __shared__ RingBarriers<2> query_barriers;
  if (threadIdx.x == 0) {
    step_barriers.init();
    query_barriers.init();
  }
  const int runs = args.heads / args.run;
  const int b = static_cast<int>(blockIdx.x) / runs;
  const int first_head = static_cast<int>(blockIdx.x) % runs * args.run;
  const int end_head = first_head + args.run;
  const int first = static_cast<int>(gridDim.y - 1 - blockIdx.y) * kBlockRows;
  const int end = min(first + kBlockRows, args.mask.queries);
  const SequenceMask mask(args.mask, b);
  const int keys_end = mask.end(end - 1);
  const TileRange tiles = TileRange::of<kKeys>(mask.begin(first), keys_end);
  const uint32_t steps = shared_address(shared_memory);
  const uint32_t queries = steps + kQueriesAt;
  Ring<kStages> step(step_barriers);
  Ring<2> query(query_barriers);
  __syncthreads();

  if (threadIdx.x < kWarpgroupThreads) {
    give_registers<kLoaderRegisters>();
    Announcer announcer;
    for (int h = first_head; h < end_head; ++h, query.next()) {
      query.wait_empty();
      TileCopies<kBlockRows>(args.q.head(b, h), args.q.token_stride, first, end)
          .next(queries + query.place * kBlockBytes);
      announcer.close(query.full());
      const int kv_head = h / args.group;
      TileCopies<kKeys> k(args.k.head(b, kv_head), args.k.token_stride, tiles.first * kKeys,
                          keys_end);
      TileCopies<kKeys> v(args.v.head(b, kv_head), args.v.token_stride, tiles.first * kKeys,
                          keys_end);
      for (int tile = tiles.first; tile < tiles.end; ++tile, step.next()) {
        step.wait_empty();
        const uint32_t to = steps + step.place * kStageBytes;
        k.next(to);
        v.next(to + kKeyBytes);
        announcer.close(step.full());
      }
    }
    announcer.finish();
  } else {
    take_registers<kMultiplierRegisters>();
    const int warp = multiplier_warp();
    const int warp_first = first + 16 * warp;
    const int group_first = first + warp / 4 * kMultiplierRows;
    const SeenKeys seen(mask, group_first, min(group_first + kMultiplierRows, end) - 1);
    const TileRange own = tiles.part(TileRange::of<kKeys>(seen.any_begin, seen.any_end));
    for (int h = first_head; h < end_head; ++h, query.next()) {
      const uint32_t q = queries + query.place * kBlockBytes + warp / 4 * kMultiplierBytes;
      query.wait_full();
      TwoRowSoftmax softmax;
      float out[1][kWgmmaWidth / 8][4];
      set_zero(out);
      step.pass(own.first - tiles.first);
      if (!own.empty()) {
        float s[1][kKeys / 8][4];
        uint32_t weights[kKeys / 16][4];
        const auto k_tile = [&] { return steps + step.place * kStageBytes; };
        const auto weigh = [&](int tile) {
          settle(s[0]);
          const int tile_first = tile * kKeys;
          if (!seen.whole(tile_first, tile_first + kKeys)) {
            hide(s, SequenceMask(args.mask, b), warp_first, tile_first);
          }
          softmax.weigh(s[0], out[0], args.scale_log2);
          pack_weights(weights, s[0]);
        };
        step.wait_full();
        wgmma_fence();
        start_rows(s[0], q, k_tile());
        wgmma_commit();
        wgmma_wait<0>();
        weigh(own.first);
#pragma unroll 1
        for (int tile = own.first + 1; tile < own.end; ++tile) {
          const uint32_t v_tile = k_tile() + kKeyBytes;
          const int read = step.place;
          step.next();
          step.wait_full();
          wgmma_fence();
          start_weighted(out[0], weights, v_tile);
          start_rows(s[0], q, k_tile());
          wgmma_commit();
          wgmma_wait<0>();
          settle(out[0]);
          step.release(read);
          weigh(tile);
        }
        wgmma_fence();
        start_weighted(out[0], weights, k_tile() + kKeyBytes);
        wgmma_commit();
        wgmma_wait<0>();
        settle(out[0]);
        step.release(step.place);
        step.next();
      }
      query.release(query.place);
      step.pass(tiles.end - own.end);
      float lse[2];
      softmax.finish(out[0], lse);
      if (threadIdx.x % 4 == 0) {
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          const int i = warp_first + 8 * half + static_cast<int>(threadIdx.x) % 32 / 4;
          if (i < end) args.lse.at(b, h, i) = lse[half];
        }
      }
      store_rows<kWgmmaWidth>(shared_memory + kOutAt + warp * Tile<kWgmmaWidth>::bytes(16), out,
                              args.out.head(b, h), args.out.token_stride, warp_first, end);
    }
  }
#endif
}

}  // namespace

bool runs_wgmma() {
  cudaFuncAttributes attributes;
  const cudaError_t status = cudaFuncGetAttributes(&attributes, forward_kernel);
  if (status != cudaSuccess) {
    throw CudaError(std::string("attention_forward: attributes of the kernel for sm_90a: ") +
                    cudaGetErrorString(status));
  }
  return attributes.sharedSizeBytes > 0;
}

void forward_wgmma(const AttentionInputs& in, const View& out, const View& lse) {
  const int tiles = ceil_div(in.sizes.queries, kBlockRows);
  const int run = heads_per_block(in.sizes.heads, int64_t{1} * in.sizes.batch * tiles);
  const ForwardArgs args{head_rows<Bf16>(out),
                         head_statistics<float>(lse),
                         head_rows<Bf16>(in.q),
                         head_rows<Bf16>(in.k),
                         head_rows<Bf16>(in.v),
                         in.mask,
                         in.sizes.heads,
                         in.sizes.group,
                         run,
                         static_cast<float>(in.sizes.scale * std::numbers::log2e)};
  allow_shared_bytes("attention_forward", forward_kernel, kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.heads / run, tiles);
  forward_kernel<<<grid, kWgmmaThreads, kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_forward");
}

}  // namespace lckv::ops::cuda
