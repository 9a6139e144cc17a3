#include <numbers>

#include "lckv/kernels/cuda/attention_wgmma.cuh"

// dq. A block owns 128 queries of several heads, one head after the other; keys and values stream
// past in tiles of 64. dq of a tile is multiplied while the scores of the next one are.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kStages = 6;
constexpr int kKeys = 64;
constexpr int kKeyBytes = Tile<kWgmmaWidth>::bytes(kKeys);
constexpr int kStageBytes = 2 * kKeyBytes;    // k, v
constexpr int kQueryBytes = 2 * kBlockBytes;  // q, dout
// Steps, q and dout twice, and a place where dq is put in order.
constexpr int kQueriesAt = kStages * kStageBytes;
constexpr int kGradientAt = kQueriesAt + 2 * kQueryBytes;
constexpr int kSharedBytes = kGradientAt + kBlockBytes;

struct QueriesArgs {
  HeadRows<Bf16> dq;
  HeadRows<const Bf16> dout, q, k, v;
  StatisticsTable<float> statistics;
  MaskBounds mask;
  int heads, group;
  int run;  // heads of a block
  float scale, scale_log2;
};

/// Grid (B Hq / run, query tiles): the last queries, which see most keys, go first.
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    queries_kernel(const __grid_constant__ QueriesArgs args) {
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
      const uint32_t to_queries = queries + query.place * kQueryBytes;
      TileCopies<kBlockRows>(args.q.head(b, h), args.q.token_stride, first, end).next(to_queries);
      TileCopies<kBlockRows>(args.dout.head(b, h), args.dout.token_stride, first, end)
          .next(to_queries + kBlockBytes);
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
      QueryStatistics<float> statistics[2];
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        statistics[half] = args.statistics.head(
            b, h)[warp_first + 8 * half + static_cast<int>(threadIdx.x) % 32 / 4];
      }
      const uint32_t q = queries + query.place * kQueryBytes + warp / 4 * kMultiplierBytes;
      const uint32_t dout = q + kBlockBytes;
      query.wait_full();
      float dq[1][kWgmmaWidth / 8][4];
      set_zero(dq);
      step.pass(own.first - tiles.first);
      constexpr int kNone = -1;
      int unread = kNone;  // the place whose last product has not been waited for
#pragma unroll 1
      for (int tile = own.first; tile < own.end; ++tile, step.next()) {
        const uint32_t k_tile = steps + step.place * kStageBytes;
        float s[1][kKeys / 8][4], dp[1][kKeys / 8][4];
        step.wait_full();
        wgmma_fence();
        start_rows(s[0], q, k_tile);
        wgmma_commit();
        start_rows(dp[0], dout, k_tile + kKeyBytes);
        wgmma_commit();
        wgmma_wait<1>();
        settle(s[0]);
        if (unread != kNone) step.release(unread);
        unread = step.place;
        const int tile_first = tile * kKeys;
        if (!seen.whole(tile_first, tile_first + kKeys)) {
          hide(s, SequenceMask(args.mask, b), warp_first, tile_first);
        }
        // p = 2^(scale_log2 s - lse_log2)
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            s[0][n][i] =
                exp2_approximate(fmaf(s[0][n][i], args.scale_log2, -statistics[i / 2].lse_log2));
          }
        }
        wgmma_wait<0>();
        settle(dp[0]);
        // ds = p (dp - delta)
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int i = 0; i < 4; ++i) s[0][n][i] *= dp[0][n][i] - statistics[i / 2].delta;
        }
        uint32_t ds[kKeys / 16][4];
        pack_weights(ds, s[0]);
        wgmma_fence();
        start_weighted(dq[0], ds, k_tile);  // dq += ds k
        wgmma_commit();
      }
      wgmma_wait<0>();
      settle(dq[0]);
      if (unread != kNone) step.release(unread);
      query.release(query.place);
      step.pass(tiles.end - own.end);
      scale(dq, args.scale);
      store_rows<kWgmmaWidth>(shared_memory + kGradientAt + warp * Tile<kWgmmaWidth>::bytes(16), dq,
                              args.dq.head(b, h), args.dq.token_stride, warp_first, end);
    }
  }
#endif
}

}  // namespace

void backward_queries_wgmma(const AttentionInputs& in, const StatisticsTable<float>& table,
                            const View& dq, const ConstView& dout) {
  static_assert(kStatisticsPadding % kBlockRows == 0);
  const int tiles = ceil_div(in.sizes.queries, kBlockRows);
  const int run = heads_per_block(in.sizes.heads, int64_t{1} * in.sizes.batch * tiles);
  const QueriesArgs args{head_rows<Bf16>(dq),
                         head_rows<Bf16>(dout),
                         head_rows<Bf16>(in.q),
                         head_rows<Bf16>(in.k),
                         head_rows<Bf16>(in.v),
                         table,
                         in.mask,
                         in.sizes.heads,
                         in.sizes.group,
                         run,
                         static_cast<float>(in.sizes.scale),
                         static_cast<float>(in.sizes.scale * std::numbers::log2e)};
  allow_shared_bytes("attention_backward", queries_kernel, kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.heads / run, tiles);
  queries_kernel<<<grid, kWgmmaThreads, kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

}  // namespace lckv::ops::cuda
