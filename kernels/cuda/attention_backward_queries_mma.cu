#include <numbers>

#include "lckv/kernels/cuda/attention_mma.cuh"
#include "lckv/kernels/cuda/attention_paths.h"

// dq. A block owns a tile of queries of one head, whose q the warps keep in registers; keys and
// values stream past in tiles of 64, the next one loading while this one is multiplied.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

struct QueriesArgs {
  HeadRows<Bf16> dq;
  HeadRows<const Bf16> dout, q, k, v;
  StatisticsTable<float> statistics;
  MaskBounds mask;
  int heads, group;
  float scale, scale_log2;
};

template <int kWidth>
struct QueriesTiles {
  static constexpr int kM = kWidth == 64 ? 2 : 1;
  static constexpr int kWarpQueries = 16 * kM;
  static constexpr int kQueries = kMmaWarps * kWarpQueries;
  static constexpr int kKeys = 64;
  static constexpr int kPartKeys = kWidth == 64 ? 32 : 64;  // keys whose scores are held at once
  static constexpr int kQueryBytes = Tile<kWidth>::bytes(kQueries);
  static constexpr int kKeyBytes = Tile<kWidth>::bytes(kKeys);
  // q, dout, then k, v twice.
  static constexpr int kSharedBytes = 2 * kQueryBytes + 4 * kKeyBytes;
};

template <int kM>
struct RowStatistics {
  QueryStatistics<float> rows[kM][2];

  __device__ __forceinline__ explicit RowStatistics(const QueryStatistics<float>* first) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
    for (int row = 0; row < 2 * kM; ++row) rows[row / 2][row % 2] = first[8 * row + lane / 4];
  }
};

/// p = 2^(scale_log2 s - lse_log2)    ds = p (dp - delta), left in s
template <int kM, int kN8>
__device__ __forceinline__ void score_gradients(float (&s)[kM][kN8][4],
                                                const float (&dp)[kM][kN8][4],
                                                const RowStatistics<kM>& statistics,
                                                float scale_log2) {
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const QueryStatistics<float>& of = statistics.rows[m][i / 2];
        const float p = exp2_approximate(fmaf(s[m][n][i], scale_log2, -of.lse_log2));
        s[m][n][i] = p * (dp[m][n][i] - of.delta);
      }
    }
  }
}

/// Grid (B Hq, query tiles): the last queries, which see most keys, go first.
template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads, 2)
    queries_kernel(const __grid_constant__ QueriesArgs args) {
  using Tiles = QueriesTiles<kWidth>;
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
  const uint32_t q_tile = shared_address(shared_memory);
  const uint32_t dout_tile = q_tile + Tiles::kQueryBytes;
  const uint32_t key_tiles = dout_tile + Tiles::kQueryBytes;
  const Bf16* const k = args.k.head(b, h / args.group);
  const Bf16* const v = args.v.head(b, h / args.group);
  const auto load_keys = [&](int tile) {
    const uint32_t to = key_tiles + tile % 2 * 2 * Tiles::kKeyBytes;
    const int from = tile * Tiles::kKeys;
    load_tile<Tiles::kKeys, kWidth>(to, k, args.k.token_stride, from, keys_end);
    load_tile<Tiles::kKeys, kWidth>(to + Tiles::kKeyBytes, v, args.v.token_stride, from, keys_end);
  };
  int tile = keys_begin / Tiles::kKeys;
  load_tile<Tiles::kQueries, kWidth>(q_tile, args.q.head(b, h), args.q.token_stride, first, end);
  load_tile<Tiles::kQueries, kWidth>(dout_tile, args.dout.head(b, h), args.dout.token_stride, first,
                                     end);
  if (tile * Tiles::kKeys < keys_end) load_keys(tile);
  const RowStatistics<kM> statistics(args.statistics.head(b, h) + warp_first);
  cp_async_wait();
  __syncthreads();

  const int warp_bytes = warp * Tile<kWidth>::bytes(Tiles::kWarpQueries);
  HeldRows<kM, kWidth> q;
  q.load(q_tile + warp_bytes);
  const StoredRows<kM, kWidth> dout{dout_tile + warp_bytes};
  float dq[kM][kWidth / 8][4];
  set_zero(dq);
  for (; tile * Tiles::kKeys < keys_end; ++tile) {
    if ((tile + 1) * Tiles::kKeys < keys_end) load_keys(tile + 1);
    const uint32_t k_tile = key_tiles + tile % 2 * 2 * Tiles::kKeyBytes;
#pragma unroll 1
    for (int part = 0; part < Tiles::kKeys; part += Tiles::kPartKeys) {
      const int part_first = tile * Tiles::kKeys + part, part_end = part_first + Tiles::kPartKeys;
      if (seen.none(part_first, part_end)) continue;
      const uint32_t k_part = k_tile + Tile<kWidth>::bytes(part);
      float s[kM][Tiles::kPartKeys / 8][4], dp[kM][Tiles::kPartKeys / 8][4];
      multiply_rows<kWidth>(s, q, k_part);
      multiply_rows<kWidth>(dp, dout, k_part + Tiles::kKeyBytes);
      if (!seen.whole(part_first, part_end)) {
        hide(s, SequenceMask(args.mask, b), warp_first, part_first);
      }
      score_gradients(s, dp, statistics, args.scale_log2);
      add_weighted<kWidth>(dq, s, k_part);  // dq += ds k
    }
    cp_async_wait();
    __syncthreads();  // the next tile is there, this one may be overwritten
  }
  scale(dq, args.scale);
  store_rows<kWidth>(shared_memory + warp_bytes, dq, args.dq.head(b, h), args.dq.token_stride,
                     warp_first, end);
}

template <int kWidth>
void launch(const QueriesArgs& args, const AttentionInputs& in) {
  using Tiles = QueriesTiles<kWidth>;
  static_assert(kStatisticsPadding % Tiles::kQueries == 0);
  allow_shared_bytes("attention_backward", queries_kernel<kWidth>, Tiles::kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.heads, ceil_div(in.sizes.queries, Tiles::kQueries));
  queries_kernel<kWidth><<<grid, kMmaThreads, Tiles::kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

}  // namespace

void backward_queries_mma(const AttentionInputs& in, const StatisticsTable<float>& table,
                          const View& dq, const ConstView& dout) {
  const QueriesArgs args{head_rows<Bf16>(dq),
                         head_rows<Bf16>(dout),
                         head_rows<Bf16>(in.q),
                         head_rows<Bf16>(in.k),
                         head_rows<Bf16>(in.v),
                         table,
                         in.mask,
                         in.sizes.heads,
                         in.sizes.group,
                         static_cast<float>(in.sizes.scale),
                         static_cast<float>(in.sizes.scale * std::numbers::log2e)};
  if (in.sizes.width == 64) {
    launch<64>(args, in);
  } else {
    launch<128>(args, in);
  }
}

}  // namespace lckv::ops::cuda
