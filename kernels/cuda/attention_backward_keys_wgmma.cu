#include <numbers>

#include "lckv/kernels/cuda/attention_wgmma.cuh"

// dk and dv. A block owns 128 keys of one key/value head; the queries that see them, of all heads
// of its group one after the other, stream past in tiles of 64. Scores stand transposed, keys down,
// queries across: so p^T and ds^T are where the products for dv and dk want them.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr int kStages = 6;
constexpr int kQueries = 64;
constexpr int kQueryBytes = Tile<kWgmmaWidth>::bytes(kQueries);
constexpr int kStageBytes = 2 * kQueryBytes;  // q, dout
constexpr int kStatisticsBytes = kQueries * sizeof(QueryStatistics<float>);
// Steps, k and v, and the statistics of the steps.
constexpr int kKeysAt = kStages * kStageBytes;
constexpr int kStatisticsAt = kKeysAt + 2 * kBlockBytes;
constexpr int kSharedBytes = kStatisticsAt + kStages * kStatisticsBytes;

struct KeysArgs {
  HeadRows<float> dk, dv;
  HeadRows<const Bf16> dout, q, k, v;
  StatisticsTable<float> statistics;
  MaskBounds mask;
  int kv_heads, group;
  bool accumulate;
  float scale, scale_log2;
};

/// hide() for transposed scores: keys are the rows, first_key the warp's first, queries the
/// columns.
template <int kN8>
__device__ __forceinline__ void hide_transposed(float (&s)[kN8][4], const SequenceMask& mask,
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
      for (int row = 0; row < 2; ++row) {
        if (8 * row < begin || 8 * row >= end) s[n][row * 2 + j] = -kInfinity;
      }
    }
  }
}

/// Adds the warp's sums times factor to, or writes them over, rows first .. of a head, up to `end`.
template <int kN8>
__device__ __forceinline__ void store_sums(const float (&c)[kN8][4], float factor, float* head,
                                           int64_t stride, int first, int end, bool accumulate) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
#pragma unroll
  for (int row = 0; row < 2; ++row) {
    const int j = first + 8 * row + lane / 4;
    if (j >= end) continue;
    float* const to = head + j * stride + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kN8; ++n) {
      const float* const sums = &c[n][row * 2];
      auto* const place = reinterpret_cast<float2*>(to + 8 * n);
      const float2 before = accumulate ? *place : float2{0.0f, 0.0f};
      *place = {fmaf(sums[0], factor, before.x), fmaf(sums[1], factor, before.y)};
    }
  }
}

/// Grid (B Hkv, key tiles): the first keys, which most queries see, go first.
__global__ void __launch_bounds__(kWgmmaThreads, 1)
    keys_kernel(const __grid_constant__ KeysArgs args) {
#ifdef LCKV_WGMMA
  extern __shared__ __align__(1024) unsigned char shared_memory[];
  __shared__ RingBarriers<kStages> step_barriers;
  __shared__ RingBarriers<1> key_barriers;
  if (threadIdx.x == 0) {
    step_barriers.init();
    key_barriers.init();
  }
  const int b = static_cast<int>(blockIdx.x) / args.kv_heads;
  const int kv_head = static_cast<int>(blockIdx.x) % args.kv_heads;
  const int first_head = kv_head * args.group, end_head = first_head + args.group;
  const int first = static_cast<int>(blockIdx.y) * kBlockRows;
  const SequenceMask mask(args.mask, b);
  const SeeingQueries readers(mask, first, kBlockRows);
  const TileRange tiles = TileRange::of<kQueries>(readers.any_begin, readers.any_end);
  const uint32_t steps = shared_address(shared_memory);
  const uint32_t keys = steps + kKeysAt;
  Ring<kStages> step(step_barriers);
  const Ring<1> key(key_barriers);
  __syncthreads();

  if (threadIdx.x < kWarpgroupThreads) {
    give_registers<kLoaderRegisters>();
    Announcer announcer;
    TileCopies<kBlockRows>(args.k.head(b, kv_head), args.k.token_stride, first, mask.key_count)
        .next(keys);
    TileCopies<kBlockRows>(args.v.head(b, kv_head), args.v.token_stride, first, mask.key_count)
        .next(keys + kBlockBytes);
    announcer.close(key.full());
    for (int h = first_head; h < end_head; ++h) {
      TileCopies<kQueries> q(args.q.head(b, h), args.q.token_stride, tiles.first * kQueries,
                             args.mask.queries);
      TileCopies<kQueries> dout(args.dout.head(b, h), args.dout.token_stride,
                                tiles.first * kQueries, args.mask.queries);
      const QueryStatistics<float>* const statistics = args.statistics.head(b, h);
      for (int tile = tiles.first; tile < tiles.end; ++tile, step.next()) {
        step.wait_empty();
        const uint32_t to = steps + step.place * kStageBytes;
        q.next(to);
        dout.next(to + kQueryBytes);
        const int i = static_cast<int>(threadIdx.x);
        if (i < kQueries) {
          cp_async_8(steps + kStatisticsAt + step.place * kStatisticsBytes + i * 8,
                     statistics + tile * kQueries + i);
        }
        announcer.close(step.full());
      }
    }
    announcer.finish();
  } else {
    take_registers<kMultiplierRegisters>();
    const int warp = multiplier_warp();
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int warp_first = first + 16 * warp;
    const SeeingQueries seeing(mask, first + warp / 4 * kMultiplierRows, kMultiplierRows);
    const TileRange own = tiles.part(TileRange::of<kQueries>(seeing.any_begin, seeing.any_end));
    const uint32_t k = keys + warp / 4 * kMultiplierBytes, v = k + kBlockBytes;
    key.wait_full();
    float dk[1][kWgmmaWidth / 8][4], dv[1][kWgmmaWidth / 8][4];
    set_zero(dk);
    set_zero(dv);
    for (int h = first_head; h < end_head; ++h) {
      step.pass(own.first - tiles.first);
      constexpr int kNone = -1;
      int unread = kNone;  // the place whose last product has not been waited for
#pragma unroll 1
      for (int tile = own.first; tile < own.end; ++tile, step.next()) {
        const uint32_t q_tile = steps + step.place * kStageBytes;
        const uint32_t dout_tile = q_tile + kQueryBytes;
        // Of a lane's two columns of eight: lse_log2, delta, lse_log2, delta.
        const unsigned char* const statistics =
            shared_memory + kStatisticsAt + step.place * kStatisticsBytes + lane % 4 * 16;
        float s[1][kQueries / 8][4], dp[1][kQueries / 8][4];
        step.wait_full();
        wgmma_fence();
        start_rows(s[0], k, q_tile);
        wgmma_commit();
        start_rows(dp[0], v, dout_tile);
        wgmma_commit();
        wgmma_wait<1>();
        settle(s[0]);
        settle(dk[0]);
        settle(dv[0]);
        if (unread != kNone) step.release(unread);
        unread = step.place;
        const int tile_first = tile * kQueries;
        if (!seeing.whole(tile_first, tile_first + kQueries)) {
          hide_transposed(s[0], SequenceMask(args.mask, b), warp_first, tile_first);
        }
        // p = 2^(scale_log2 s - lse_log2)
#pragma unroll
        for (int n = 0; n < kQueries / 8; ++n) {
          const float4 two = *reinterpret_cast<const float4*>(statistics + 64 * n);
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            s[0][n][i] =
                exp2_approximate(fmaf(s[0][n][i], args.scale_log2, i % 2 == 0 ? -two.x : -two.z));
          }
        }
        uint32_t p[kQueries / 16][4];
        pack_weights(p, s[0]);
        wgmma_fence();
        start_weighted(dv[0], p, dout_tile);  // dv += p^T dout
        wgmma_commit();
        wgmma_wait<1>();
        settle(dp[0]);
        // ds = p (dp - delta)
#pragma unroll
        for (int n = 0; n < kQueries / 8; ++n) {
          const float4 two = *reinterpret_cast<const float4*>(statistics + 64 * n);
#pragma unroll
          for (int i = 0; i < 4; ++i) s[0][n][i] *= dp[0][n][i] - (i % 2 == 0 ? two.y : two.w);
        }
        uint32_t ds[kQueries / 16][4];
        pack_weights(ds, s[0]);
        wgmma_fence();
        start_weighted(dk[0], ds, q_tile);  // dk += ds^T q
        wgmma_commit();
      }
      wgmma_wait<0>();
      settle(dk[0]);
      settle(dv[0]);
      if (unread != kNone) step.release(unread);
      step.pass(tiles.end - own.end);
    }
    store_sums(dk[0], args.scale, args.dk.head(b, kv_head), args.dk.token_stride, warp_first,
               args.mask.keys, args.accumulate);
    store_sums(dv[0], 1.0f, args.dv.head(b, kv_head), args.dv.token_stride, warp_first,
               args.mask.keys, args.accumulate);
  }
#endif
}

}  // namespace

void backward_keys_wgmma(const AttentionInputs& in, const StatisticsTable<float>& table,
                         const View& dk, const View& dv, const ConstView& dout, GradMode mode) {
  static_assert(kStatisticsPadding % kQueries == 0);
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
  allow_shared_bytes("attention_backward", keys_kernel, kSharedBytes);
  const dim3 grid(in.sizes.batch * in.sizes.kv_heads, ceil_div(in.sizes.keys, kBlockRows));
  keys_kernel<<<grid, kWgmmaThreads, kSharedBytes, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

}  // namespace lckv::ops::cuda
