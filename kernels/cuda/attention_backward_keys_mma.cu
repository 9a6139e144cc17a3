#include <numbers>

#include "lckv/kernels/cuda/attention_mma.cuh"
#include "lckv/kernels/cuda/attention_paths.h"

// dk and dv. A block owns a tile of keys of one key/value head; the queries that see it, of all
// heads of its group one after the other, stream past in tiles of 64, the next one loading while
// this one is multiplied. Scores stand transposed, keys down, queries across: so p^T and ds^T are
// where the products for dv and dk want them.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

struct KeysArgs {
  HeadRows<float> dk, dv;
  HeadRows<const Bf16> dout, q, k, v;
  StatisticsTable<float> statistics;
  MaskBounds mask;
  int kv_heads, group;
  bool accumulate;
  float scale, scale_log2;
};

template <int kWidth>
struct KeysTiles {
  static constexpr int kM = kWidth == 64 ? 2 : 1;
  static constexpr int kWarpKeys = 16 * kM;
  static constexpr int kKeys = kMmaWarps * kWarpKeys;
  static constexpr int kQueries = 64;
  static constexpr int kPartQueries = 32;  // queries whose scores are held at once
  static constexpr int kKeyBytes = Tile<kWidth>::bytes(kKeys);
  static constexpr int kQueryBytes = Tile<kWidth>::bytes(kQueries);
  static constexpr int kStatisticsBytes = kQueries * sizeof(QueryStatistics<float>);
  static constexpr int kStepBytes = 2 * kQueryBytes + kStatisticsBytes;  // q, dout, statistics
  static constexpr int kSharedBytes = 2 * kKeyBytes + 2 * kStepBytes;    // k, v, then steps
};

/// The tiles of queries that a block reads, in order: those of the group's first head, of the
/// second ...
struct QuerySteps {
  int first_tile, end_tile;
  int head, end_head;
  int tile;

  __device__ QuerySteps(int first, int end, int first_head, int heads)
      : first_tile(first),
        end_tile(end),
        head(first < end ? first_head : first_head + heads),
        end_head(first_head + heads),
        tile(first) {}
  __device__ bool done() const { return head == end_head; }
  __device__ void next() {
    if (++tile < end_tile) return;
    tile = first_tile;
    ++head;
  }
};

template <int kWidth>
__device__ __forceinline__ void load_step(uint32_t to, const KeysArgs& args, int b, int head,
                                          int tile) {
  using Tiles = KeysTiles<kWidth>;
  const int first = tile * Tiles::kQueries, end = args.mask.queries;
  load_tile<Tiles::kQueries, kWidth>(to, args.q.head(b, head), args.q.token_stride, first, end);
  load_tile<Tiles::kQueries, kWidth>(to + Tiles::kQueryBytes, args.dout.head(b, head),
                                     args.dout.token_stride, first, end);
  const int i = static_cast<int>(threadIdx.x);
  if (i < Tiles::kQueries) {
    cp_async_8(to + 2 * Tiles::kQueryBytes + i * 8, args.statistics.head(b, head) + first + i);
  }
}

/// hide() for transposed scores: keys are the rows, first_key the warp's first, queries the
/// columns.
template <int kM, int kN8>
__device__ __forceinline__ void hide_transposed(float (&s)[kM][kN8][4], const SequenceMask& mask,
                                                int first_key, int first_query) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int n = 0; n < kN8; ++n) {
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      const int i = min(first_query + 8 * n + lane % 4 * 2 + j, mask.queries - 1);
      const int begin = mask.begin(i) - first_key - lane / 4;
      const int end = mask.end(i) - first_key - lane / 4;
#pragma unroll
      for (int row = 0; row < 2 * kM; ++row) {
        if (8 * row < begin || 8 * row >= end) s[row / 2][n][row % 2 * 2 + j] = -kInfinity;
      }
    }
  }
}

/// p = 2^(scale_log2 s - lse_log2), left in s    ds = p (dp - delta), left in dp
template <int kM, int kN8>
__device__ __forceinline__ void weights_and_gradients(float (&s)[kM][kN8][4],
                                                      float (&dp)[kM][kN8][4],
                                                      const unsigned char* statistics,
                                                      float scale_log2) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int n = 0; n < kN8; ++n) {
    // Of this lane's two columns: lse_log2, delta, lse_log2, delta.
    const float4 two = *reinterpret_cast<const float4*>(statistics + (8 * n + lane % 4 * 2) * 8);
    const QueryStatistics<float> of[2] = {{two.x, two.y}, {two.z, two.w}};
#pragma unroll
    for (int m = 0; m < kM; ++m) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float p = exp2_approximate(fmaf(s[m][n][i], scale_log2, -of[i % 2].lse_log2));
        s[m][n][i] = p;
        dp[m][n][i] = p * (dp[m][n][i] - of[i % 2].delta);
      }
    }
  }
}

/// Adds the warp's sums times factor to, or writes them over, rows first .. of a head, up to `end`.
template <int kM, int kN8>
__device__ __forceinline__ void store_sums(const float (&c)[kM][kN8][4], float factor, float* head,
                                           int64_t stride, int first, int end, bool accumulate) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int row = 0; row < 2 * kM; ++row) {
    const int j = first + 8 * row + lane / 4;
    if (j >= end) continue;
    float* const to = head + j * stride + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
      const float* const sums = &c[row / 2][n][row % 2 * 2];
      auto* const place = reinterpret_cast<float2*>(to + 8 * n);
      const float2 before = accumulate ? *place : float2{0.0f, 0.0f};
      *place = {fmaf(sums[0], factor, before.x), fmaf(sums[1], factor, before.y)};
    }
  }
}

/// Grid (B Hkv, key tiles): the first keys, which most queries see, go first.
template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads, 2)
    keys_kernel(const __grid_constant__ KeysArgs args) {
  using Tiles = KeysTiles<kWidth>;
  constexpr int kM = Tiles::kM;
  extern __shared__ __align__(128) unsigned char shared_memory[];
  const int b = static_cast<int>(blockIdx.x) / args.kv_heads;
  const int kv_head = static_cast<int>(blockIdx.x) % args.kv_heads;
  const int first = static_cast<int>(blockIdx.y) * Tiles::kKeys;
  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_first = first + warp * Tiles::kWarpKeys;

  const SequenceMask mask(args.mask, b);
  const SeeingQueries readers(mask, first, Tiles::kKeys);
  const SeeingQueries seeing(mask, warp_first, Tiles::kWarpKeys);
  QuerySteps step(readers.any_begin / Tiles::kQueries,
                  (readers.any_end + Tiles::kQueries - 1) / Tiles::kQueries, kv_head * args.group,
                  args.group);
  const uint32_t k_tile = shared_address(shared_memory);
  const uint32_t v_tile = k_tile + Tiles::kKeyBytes;
  const uint32_t steps = v_tile + Tiles::kKeyBytes;
  load_tile<Tiles::kKeys, kWidth>(k_tile, args.k.head(b, kv_head), args.k.token_stride, first,
                                  mask.key_count);
  load_tile<Tiles::kKeys, kWidth>(v_tile, args.v.head(b, kv_head), args.v.token_stride, first,
                                  mask.key_count);
  if (!step.done()) load_step<kWidth>(steps, args, b, step.head, step.tile);
  cp_async_wait();
  __syncthreads();

  const int warp_bytes = warp * Tile<kWidth>::bytes(Tiles::kWarpKeys);
  const StoredRows<kM, kWidth> k{k_tile + warp_bytes}, v{v_tile + warp_bytes};
  float dk[kM][kWidth / 8][4], dv[kM][kWidth / 8][4];
  set_zero(dk);
  set_zero(dv);
  for (int buffer = 0; !step.done(); buffer ^= 1) {
    const int tile_first = step.tile * Tiles::kQueries;
    step.next();
    if (!step.done()) {
      load_step<kWidth>(steps + (buffer ^ 1) * Tiles::kStepBytes, args, b, step.head, step.tile);
    }
    const int step_bytes = buffer * Tiles::kStepBytes;
#pragma unroll 1
    for (int part = 0; part < Tiles::kQueries; part += Tiles::kPartQueries) {
      const int part_first = tile_first + part, part_end = part_first + Tiles::kPartQueries;
      if (seeing.none(part_first, part_end)) continue;
      const uint32_t q_part = steps + step_bytes + Tile<kWidth>::bytes(part);
      const uint32_t dout_part = q_part + Tiles::kQueryBytes;
      float s[kM][Tiles::kPartQueries / 8][4], dp[kM][Tiles::kPartQueries / 8][4];
      multiply_rows<kWidth>(s, k, q_part);
      multiply_rows<kWidth>(dp, v, dout_part);
      if (!seeing.whole(part_first, part_end)) {
        hide_transposed(s, SequenceMask(args.mask, b), warp_first, part_first);
      }
      const unsigned char* const statistics =
          shared_memory + 2 * Tiles::kKeyBytes + step_bytes + 2 * Tiles::kQueryBytes + part * 8;
      weights_and_gradients(s, dp, statistics, args.scale_log2);
      add_weighted<kWidth>(dv, s, dout_part);  // dv += p^T dout
      add_weighted<kWidth>(dk, dp, q_part);    // dk += ds^T q
    }
    cp_async_wait();
    __syncthreads();  // the next tile is there, this one may be overwritten
  }
  // kv_head once more: the sums have left no register to keep it in.
  const int head = step.end_head / args.group - 1;
  store_sums(dk, args.scale, args.dk.head(b, head), args.dk.token_stride, warp_first,
             args.mask.keys, args.accumulate);
  store_sums(dv, 1.0f, args.dv.head(b, head), args.dv.token_stride, warp_first, args.mask.keys,
             args.accumulate);
}

template <int kWidth>
void launch(const KeysArgs& args, const AttentionInputs& in) {
  using Tiles = KeysTiles<kWidth>;
  static_assert(kStatisticsPadding % Tiles::kQueries == 0);
  allow_shared_bytes("attention_backward", keys_kernel<kWidth>, Tiles::kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.kv_heads, ceil_div(in.sizes.keys, Tiles::kKeys));
  keys_kernel<kWidth><<<grid, kMmaThreads, Tiles::kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

}  // namespace

void backward_keys_mma(const AttentionInputs& in, const StatisticsTable<float>& table,
                       const View& dk, const View& dv, const ConstView& dout, GradMode mode) {
  const KeysArgs args{head_rows<float>(dk),
                      head_rows<float>(dv),
                      head_rows<Bf16>(dout),
                      head_rows<Bf16>(in.q),
                      head_rows<Bf16>(in.k),
                      head_rows<Bf16>(in.v),
                      table,
                      in.mask,
                      in.sizes.kv_heads,
                      in.sizes.group,
                      mode == GradMode::kAccumulate,
                      static_cast<float>(in.sizes.scale),
                      static_cast<float>(in.sizes.scale * std::numbers::log2e)};
  if (in.sizes.width == 64) {
    launch<64>(args, in);
  } else {
    launch<128>(args, in);
  }
}

}  // namespace lckv::ops::cuda
