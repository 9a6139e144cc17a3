#include <algorithm>
#include <numbers>

#include "lckv/kernels/cuda/attention_paths.h"
#include "lckv/kernels/cuda/paged_attention_tiles.cuh"
#include "lckv/kernels/cuda/scratch.h"

// Dao 2023, arXiv:2307.08691; Dao, Haziza, Massa and Sizov 2023, "Flash-Decoding". A block owns
// neighbouring queries of one sequence, a run, and one key/value head: the rows of its products are
// all query heads of all its queries. Its warps share the rows and take turns at the keys.
//
// Which warp reads a key, and what is summed before what, follows from the key's number alone:
// tiles begin at multiples of kKeys, tile t belongs to warp t % 4, the warps' sums are added at
// every multiple of split_keys, which the width of the page table gives. Tiles that a row does not
// see leave its sums as they are. So no bit of a query's result depends on its neighbours, nor on
// how splits are dealt out to blocks.
namespace lckv::ops::cuda {
namespace {

using Bf16 = __nv_bfloat16;

constexpr const char* kOp = "paged_attention_forward";
constexpr int kMostSplits = 64;         // of a sequence
constexpr int kEnoughBlocks = 2 * 132;  // more would wait
constexpr int64_t kMostScratchBytes = int64_t{64} << 20;

/// This warp's keys of a range that lies in one split.
template <int kWidth, class Tiles>
__device__ __forceinline__ void attend(WarpSums<Tiles::kM, kWidth>& sums, uint32_t queries,
                                       uint32_t tiles, const PagedHead& head, const RowRanges& rows,
                                       const KeyRange& range, float scale_log2) {
  TilePipeline<kWidth, Tiles> keys(head, range, tiles);
  cp_async_wait_but<Tiles::kStages>();
  __syncthreads();  // the queries, which were asked for before, are there
  typename Tiles::Queries q;
  if constexpr (Tiles::kHoldsQueries) {
    q.load(queries);
  } else {
    q.tile = queries;
  }
  for (; keys.has_tile(); keys.next()) {
    const uint32_t tile = keys.tile();
    float s[Tiles::kM][Tiles::kKeys / 8][4];
    multiply_rows<kWidth>(s, q, tile);
    if (keys.first < rows.every.begin || keys.first + Tiles::kKeys > rows.every.end) {
      hide_unseen(s, rows.own, keys.first);
    }
    sums.weigh(s, scale_log2);
    add_weighted<kWidth>(sums.values, s, tile + Tiles::kKeyBytes);
  }
}

/// A warp's sums for the other warps to read, over its tiles.
template <int kWidth, int kM>
__device__ __forceinline__ void share_sums(const WarpSums<kM, kWidth>& sums, unsigned char* tiles,
                                           float2* rows) {
  const int lane = static_cast<int>(threadIdx.x) % 32;
  auto* const values = reinterpret_cast<float*>(tiles);
  __syncwarp();  // the last tile has been read
#pragma unroll
  for (int m = 0; m < kM; ++m) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = 16 * m + 8 * half + lane / 4;
      const float weights = WarpSums<kM, kWidth>::over_row(sums.weights[m][half],
                                                           [](float a, float b) { return a + b; });
      if (lane % 4 == 0) rows[row] = {sums.largest[m][half], weights};
#pragma unroll
      for (int n = 0; n < kWidth / 8; ++n) {
        *reinterpret_cast<float2*>(values + place<kWidth>(row, 8 * n + lane % 4 * 2)) = {
            sums.values[m][n][2 * half], sums.values[m][n][2 * half + 1]};
      }
    }
  }
}

template <int kWidth, class Tiles>
__device__ __forceinline__ WeightedSum sum_of_warps(const PagedShared<kWidth, Tiles>& shared,
                                                    int row, int column) {
  WeightedSum total;
#pragma unroll
  for (int warp = 0; warp < kMmaWarps; ++warp) {
    const float2 of_row = shared.warp_rows[warp][row];
    const auto* const values = reinterpret_cast<const float*>(shared.tiles[warp]);
    total.add({of_row.x, of_row.y,
               *reinterpret_cast<const float4*>(values + place<kWidth>(row, 4 * column))});
  }
  return total;
}

__device__ __forceinline__ void store_result(const PagedCall<Bf16>& call, int n, int h, int column,
                                             const WeightedSum& sum) {
  *reinterpret_cast<uint2*>(call.out + n * call.out_row + h * call.out_head + 4 * column) =
      sum.result();
}

/// Sums of a split: to memory, or with those of the splits before it, `done` of them, to where the
/// next one finds them or, after the last, to the output.
template <int kWidth, class Tiles>
__device__ __forceinline__ void finish_split(const PagedMmaArgs& args,
                                             PagedShared<kWidth, Tiles>& shared, const Run& run,
                                             int split, int done, bool is_last) {
  const int group = args.call.group;
  for (int i = static_cast<int>(threadIdx.x); i < run.rows * Tiles::kColumns; i += kMmaThreads) {
    const int row = i / Tiles::kColumns, column = i % Tiles::kColumns;
    const int n = run.first + row / group, h = run.head + row % group;
    const WeightedSum part = sum_of_warps(shared, row, column);
    if (args.partial_rows != nullptr) {
      const int64_t heads = static_cast<int64_t>(args.call.kv_heads) * group;
      const int64_t at = (n * heads + h) * args.splits + split;
      args.partial_values[at * Tiles::kColumns + column] = part.values;
      if (column == 0) args.partial_rows[at] = {part.largest, part.weights};
      continue;
    }
    WeightedSum total;
    if (done > 0) {
      const float2 of_row = shared.kept_rows[done % 2][row];
      total = {of_row.x, of_row.y, shared.kept_values[i]};
    }
    total.add(part);
    if (is_last) {
      store_result(args.call, n, h, column, total);
    } else {
      shared.kept_values[i] = total.values;
      if (column == 0) shared.kept_rows[(done + 1) % 2][row] = {total.largest, total.weights};
    }
  }
}

template <class Tiles>
__device__ void store_zeros(const PagedMmaArgs& args, const Run& run) {
  for (int i = static_cast<int>(threadIdx.x); i < run.rows * Tiles::kColumns; i += kMmaThreads) {
    const int row = i / Tiles::kColumns;
    store_result(args.call, run.first + row / args.call.group, run.head + row % args.call.group,
                 i % Tiles::kColumns, {});
  }
}

/// What row `lane` of a run sees.
struct SeenByRun {
  RowRanges sinks, recent;

  __device__ static SeenByRun of(const PagedCall<Bf16>& call, const Run& run) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const bool is_row = lane < run.rows;
    const int n = run.first + (is_row ? lane / call.group : 0);
    const int sink_end = call.sink_end != nullptr ? call.sink_end[n] : 0;
    return {RowRanges({0, sink_end}, is_row), RowRanges({call.begin[n], call.end[n]}, is_row)};
  }
  /// Splits begin .. end-1 have all the keys; there may be some without in between.
  __device__ KeyRange splits(int split_keys) const {
    const int first = sinks.any.empty() ? recent.any.begin : 0;
    const int last = max(sinks.any.end, recent.any.end) - 1;
    return {first / split_keys, last / split_keys + (last >= 0 ? 1 : 0)};
  }
};

/// Starts copying the queries of a run.
template <int kWidth, class Tiles>
__device__ __forceinline__ void load_run(const PagedCall<Bf16>& call,
                                         PagedShared<kWidth, Tiles>& shared, const Run& run,
                                         bool sees_sinks) {
  if (sees_sinks) {
    load_queries<kWidth, Tiles>(shared_address(shared.queries[0]), call.q_sinks, call.sinks_row,
                                call.sinks_head, run, call.group);
  }
  load_queries<kWidth, Tiles>(shared_address(shared.queries[1]), call.q, call.q_row, call.q_head,
                              run, call.group);
  cp_async_commit();
}

/// This block's splits of a run.
template <int kWidth, class Tiles>
__device__ __forceinline__ void attend_run(const PagedMmaArgs& args,
                                           PagedShared<kWidth, Tiles>& shared, const Run& run) {
  const PagedCall<Bf16>& call = args.call;
  const SeenByRun seen = SeenByRun::of(call, run);
  const KeyRange splits = seen.splits(args.split_keys);
  int split = splits.begin + static_cast<int>(blockIdx.y);
  if (split >= splits.end) {
    if (args.partial_rows == nullptr) store_zeros<Tiles>(args, run);
    return;
  }
  load_run(call, shared, run, !seen.sinks.any.empty());
  const int warp = static_cast<int>(threadIdx.x) / 32;
  unsigned char* const tiles = shared.tiles[warp];
  const PagedHead head(call, call.sequence[run.first], run.kv_head);
  int done = 0;
  for (; split < splits.end; split += static_cast<int>(gridDim.y)) {
    const int first = split * args.split_keys, last = first + args.split_keys;
    const KeyRange sinks = seen.sinks.any.within(first, last);
    const KeyRange recent = seen.recent.any.within(first, last);
    if (sinks.empty() && recent.empty()) continue;
    WarpSums<Tiles::kM, kWidth> sums;
    if (!sinks.empty()) {
      attend<kWidth, Tiles>(sums, shared_address(shared.queries[0]), shared_address(tiles), head,
                            seen.sinks, sinks, args.scale_log2);
    }
    if (!recent.empty()) {
      attend<kWidth, Tiles>(sums, shared_address(shared.queries[1]), shared_address(tiles), head,
                            seen.recent, recent, args.scale_log2);
    }
    share_sums(sums, tiles, shared.warp_rows[warp]);
    __syncthreads();
    finish_split(args, shared, run, split, done++, split == splits.end - 1);
    __syncthreads();  // tiles and sums may be overwritten
  }
  cp_async_wait();  // where no split was attended to
  __syncthreads();
}

/// Grid (query blocks Hkv, shares of the splits): the last queries, which see most keys, go first.
template <int kWidth, int kRows16>
__global__ void __launch_bounds__(kMmaThreads, PagedTiles<kWidth, kRows16>::kBlocks)
    paged_mma_kernel(const __grid_constant__ PagedMmaArgs args) {
  using Tiles = PagedTiles<kWidth, kRows16>;
  extern __shared__ __align__(128) unsigned char shared_memory[];
  auto& shared = *reinterpret_cast<PagedShared<kWidth, Tiles>*>(shared_memory);
  const auto block = static_cast<int>(gridDim.x - 1 - blockIdx.x);
  const int kv_head = block % args.call.kv_heads;
  int n = block / args.call.kv_heads * args.block_queries;
  const int end = min(n + args.block_queries, args.call.queries);
  if (!Run::begins_at(args, n)) return;
  while (n < end) {
    const Run run(args, n, kv_head);
    attend_run(args, shared, run);
    n += run.queries;
  }
}

/// A thread: four columns of a row. Adds the splits in the order of a block that has them all.
template <int kWidth>
__global__ void __launch_bounds__(kMmaThreads)
    paged_combine_kernel(const __grid_constant__ PagedMmaArgs args) {
  constexpr int kColumns = kWidth / 4;
  const PagedCall<Bf16>& call = args.call;
  const int heads = call.kv_heads * call.group;
  const int64_t i = static_cast<int64_t>(blockIdx.x) * kMmaThreads + threadIdx.x;
  const int column = static_cast<int>(i % kColumns);
  const int64_t row = i / kColumns;
  const int n = static_cast<int>(row / heads), h = static_cast<int>(row % heads);
  if (n >= call.queries) return;
  const KeyRange sinks{0, call.sink_end != nullptr ? call.sink_end[n] : 0};
  const KeyRange recent{call.begin[n], call.end[n]};
  const int last = max(sinks.end, recent.empty() ? 0 : recent.end);
  WeightedSum total;
#pragma unroll 4
  for (int split = sinks.empty() ? recent.begin / args.split_keys : 0;
       split * args.split_keys < last; ++split) {
    const int64_t at = row * args.splits + split;
    const float2 of_row = args.partial_rows[at];
    const float4 values = args.partial_values[at * kColumns + column];
    const int first = split * args.split_keys, end = first + args.split_keys;
    if (sinks.within(first, end).empty() && recent.within(first, end).empty()) continue;
    total.add({of_row.x, of_row.y, values});
  }
  store_result(call, n, h, column, total);
}

int64_t partial_count(const PagedMmaArgs& args) {
  return static_cast<int64_t>(args.call.queries) * args.call.kv_heads * args.call.group *
         args.splits;
}

/// Shares of the splits so that there are enough blocks, and memory for the partial sums where that
/// is more than one.
unsigned share_splits(const Stream& stream, PagedMmaArgs& args, unsigned blocks) {
  const int64_t partials = partial_count(args);
  const int64_t bytes = partials * (args.call.width + 2) * static_cast<int64_t>(sizeof(float));
  if (blocks >= kEnoughBlocks || args.splits == 1 || bytes > kMostScratchBytes) return 1;
  args.partial_values = static_cast<float4*>(scratch(stream, ScratchUse::kPartialSums, bytes));
  args.partial_rows =
      reinterpret_cast<float2*>(args.partial_values + partials * args.call.width / 4);
  return std::min<unsigned>(args.splits, ceil_div<unsigned>(2 * kEnoughBlocks, blocks));
}

template <int kWidth, int kRows16>
void launch(const Stream& stream, PagedMmaArgs args) {
  constexpr int kBytes = sizeof(PagedShared<kWidth, PagedTiles<kWidth, kRows16>>);
  const PagedCall<Bf16>& call = args.call;
  const auto blocks =
      static_cast<unsigned>(ceil_div(call.queries, args.block_queries) * call.kv_heads);
  const dim3 grid(blocks, share_splits(stream, args, blocks));
  allow_shared_bytes(kOp, paged_mma_kernel<kWidth, kRows16>, kBytes);
  paged_mma_kernel<kWidth, kRows16><<<grid, kMmaThreads, kBytes, native(stream)>>>(args);
  check_launch(kOp);
  if (args.partial_rows == nullptr) return;
  const int64_t threads = partial_count(args) / args.splits * (kWidth / 4);
  const auto combine_blocks = static_cast<unsigned>(ceil_div<int64_t>(threads, kMmaThreads));
  paged_combine_kernel<kWidth><<<combine_blocks, kMmaThreads, 0, native(stream)>>>(args);
  check_launch(kOp);
}

template <int kWidth>
void launch(const Stream& stream, PagedMmaArgs args) {
  // More queries than sequences: some are neighbours. Otherwise most have none.
  if (args.call.queries > args.call.sequences) {
    args.run_queries = args.block_queries = 32 / args.call.group;
    launch<kWidth, 2>(stream, args);
  } else {
    args.run_queries = 16 / args.call.group;
    args.block_queries = 1;
    launch<kWidth, 1>(stream, args);
  }
}

bool in_chunks(const Bf16* data, std::initializer_list<int64_t> strides) {
  return std::all_of(strides.begin(), strides.end(),
                     [&](int64_t stride) { return fits_packs<Bf16>(data, 8, stride); });
}

}  // namespace

bool fits_paged_mma(const PagedCall<Bf16>& call) {
  const auto &k = call.k, &v = call.v;
  return (call.width == 64 || call.width == 128) && call.group <= 16 &&
         k.page_stride == v.page_stride && k.token_stride == v.token_stride &&
         in_chunks(k.data, {k.page_stride, k.token_stride, k.head_stride}) &&
         in_chunks(v.data, {v.head_stride}) && in_chunks(call.q, {call.q_row, call.q_head}) &&
         in_chunks(call.q_sinks, {call.sinks_row, call.sinks_head}) &&
         in_chunks(call.out, {call.out_row, call.out_head});
}

void paged_mma(const Stream& stream, const PagedCall<Bf16>& call) {
  PagedMmaArgs args{};
  args.call = call;
  args.scale_log2 = static_cast<float>(call.scale * std::numbers::log2e);
  args.split_keys = kPagedSplitKeys;
  while (ceil_div<int64_t>(call.most_keys, args.split_keys) > kMostSplits) args.split_keys *= 2;
  args.splits = static_cast<int>(ceil_div<int64_t>(call.most_keys, args.split_keys));
  if (call.width == 64) {
    launch<64>(stream, args);
  } else {
    launch<128>(stream, args);
  }
}

}  // namespace lckv::ops::cuda
