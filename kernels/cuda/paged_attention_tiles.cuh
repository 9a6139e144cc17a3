#pragma once

#include "lckv/kernels/cuda/paged_attention_mma.cuh"

/// What a block of paged_mma has of its arguments: a run of queries and, tile by tile, the keys and
/// values of their sequence.
namespace lckv::ops::cuda {

inline constexpr int kPagedSplitKeys = 512;  // at least; a multiple of every tile's

struct PagedMmaArgs {
  PagedCall<__nv_bfloat16> call;
  float scale_log2;
  int run_queries;    // runs end at its multiples
  int block_queries;  // run_queries, or 1: a block to a query, which is idle unless a run begins
  int split_keys, splits;
  // Sums of all splits, [N, Hq, splits] and [N, Hq, splits, D]; null where blocks see all splits.
  float2* partial_rows;
  float4* partial_values;
};

/// kM: 16 rows each.
template <int kWidth, int kRows16>
struct PagedTiles {
  static constexpr int kM = kRows16;
  static constexpr int kRows = 16 * kM;
  static constexpr int kKeys = 2048 / kWidth;
  static constexpr int kStages = 2;  // tiles of a warp that are under way
  static constexpr int kKeyBytes = Tile<kWidth>::bytes(kKeys);
  static constexpr int kStageBytes = 2 * kKeyBytes;  // keys, then values
  static constexpr int kColumns = kWidth / 4;
  // Wide heads and many rows leave no registers to keep the queries in.
  static constexpr bool kHoldsQueries = kWidth * kM <= 128;
  using Queries = std::conditional_t<kHoldsQueries, HeldRows<kM, kWidth>, StoredRows<kM, kWidth>>;
  static constexpr int kBlocks = kWidth * kM == 64 ? 3 : 2;  // on one multiprocessor
  static_assert(kRows * kWidth * 4 <= kStages * kStageBytes && kPagedSplitKeys % kKeys == 0);
};

template <int kWidth, class Tiles>
struct PagedShared {
  // Also a warp's sums, [kRows, D], when all tiles have been read.
  unsigned char tiles[kMmaWarps][Tiles::kStages * Tiles::kStageBytes];
  unsigned char queries[2][Tile<kWidth>::bytes(Tiles::kRows)];  // for sinks, for recent keys
  float4 kept_values[Tiles::kRows * Tiles::kColumns];           // of the splits before this one
  float2 kept_rows[2][Tiles::kRows];  // largest, weights; read from one, written to the other
  float2 warp_rows[kMmaWarps][Tiles::kRows];
};

/// Rows of the block: queries first .. first+queries-1, heads head ...
struct Run {
  int first, queries, kv_head, head, rows;

  __device__ Run(const PagedMmaArgs& args, int n, int kv)
      : first(n), kv_head(kv), head(kv * args.call.group) {
    const int lane = static_cast<int>(threadIdx.x) % 32;
    const int last = min((n / args.run_queries + 1) * args.run_queries, args.call.queries);
    const int32_t* const sequence = args.call.sequence;
    const bool joins = n + lane < last && sequence[n + lane] == sequence[n];
    const uint32_t others = ~__ballot_sync(0xFFFFFFFFu, joins);
    queries = others == 0 ? 32 : __ffs(static_cast<int>(others)) - 1;
    rows = queries * args.call.group;
  }
  __device__ static bool begins_at(const PagedMmaArgs& args, int n) {
    return n % args.run_queries == 0 || args.call.sequence[n - 1] != args.call.sequence[n];
  }
};

/// Address of a warp's sum, four columns from `column` on: eight rows lie in different banks.
template <int kWidth>
__device__ __forceinline__ int place(int row, int column) {
  return row * kWidth + (column ^ ((row & 7) << 3));
}

/// Starts copying the rows of a run, each D wide; zeros behind them.
template <int kWidth, class Tiles>
__device__ __forceinline__ void load_queries(uint32_t tile, const __nv_bfloat16* q,
                                             int64_t row_stride, int64_t head_stride,
                                             const Run& run, int group) {
  constexpr int kChunks = Tile<kWidth>::kChunks;
  for (int i = static_cast<int>(threadIdx.x); i < Tiles::kRows * kChunks; i += kMmaThreads) {
    const int row = i / kChunks, chunk = i % kChunks;
    const bool valid = row < run.rows;
    const int n = valid ? run.first + row / group : run.first;
    const int h = valid ? run.head + row % group : run.head;
    cp_async_16(tile + Tile<kWidth>::offset(row, chunk),
                q + n * row_stride + h * head_stride + chunk * 8, valid);
  }
}

/// Starts copying keys and values first .. of a warp's tile, a lane knowing the offset of the key
/// of its number; zeros for keys that nobody sees.
template <int kWidth, class Tiles>
__device__ __forceinline__ void load_keys(uint32_t stage, const PagedHead& head, int first,
                                          const KeyRange& range, int64_t offset_of_lane) {
  constexpr int kChunks = Tile<kWidth>::kChunks;
  constexpr int kStep = 32 / kChunks;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int chunk = lane % kChunks;
#pragma unroll
  for (int i = 0; i < Tiles::kKeys / kStep; ++i) {
    const int row = lane / kChunks + i * kStep;
    const int64_t offset = __shfl_sync(0xFFFFFFFFu, offset_of_lane, row) + chunk * 8;
    const bool valid = range.holds(first + row);
    const uint32_t to = stage + Tile<kWidth>::offset(row, chunk);
    cp_async_16(to, head.k + offset, valid);
    cp_async_16(to + Tiles::kKeyBytes, head.v + offset, valid);
  }
}

/// A warp's tiles of a range of keys in their order, kStages of them under way. Where the next one
/// lies is looked up while the one before is waited for.
template <int kWidth, class Tiles>
struct TilePipeline {
  static constexpr int kStep = kMmaWarps * Tiles::kKeys;
  const PagedHead& head;
  const KeyRange range;
  const uint32_t stages;
  int first;                // key of the oldest tile under way
  int turn = 0;             // its stage
  int64_t next_offset = 0;  // of this lane's key of the tile that starts next

  __device__ __forceinline__ TilePipeline(const PagedHead& of, const KeyRange& keys, uint32_t tiles)
      : head(of), range(keys), stages(tiles) {
    constexpr int kStages = Tiles::kStages;
    const int before = range.begin / Tiles::kKeys;
    const int warp = static_cast<int>(threadIdx.x) / 32;
    first = (before + ((warp - before) & (kMmaWarps - 1))) * Tiles::kKeys;
    int64_t offsets[kStages];
#pragma unroll
    for (int i = 0; i < kStages; ++i) offsets[i] = offset_in(first + i * kStep);
#pragma unroll
    for (int i = 0; i < kStages; ++i) start(i, first + i * kStep, offsets[i]);
    next_offset = offset_in(first + kStages * kStep);
  }

  __device__ __forceinline__ bool has_tile() const { return first < range.end; }
  /// The oldest tile, when it has come.
  __device__ __forceinline__ uint32_t tile() const {
    cp_async_wait_but<Tiles::kStages - 1>();
    __syncwarp();  // all lanes' copies
    return stages + turn * Tiles::kStageBytes;
  }
  __device__ __forceinline__ void next() {
    __syncwarp();  // the tile may be overwritten
    const int ahead = first + Tiles::kStages * kStep;
    start(turn, ahead, next_offset);
    next_offset = offset_in(ahead + kStep);
    first += kStep;
    turn = (turn + 1) % Tiles::kStages;
  }

 private:
  __device__ __forceinline__ int64_t offset_in(int tile_first) const {
    return head.offset(tile_first + static_cast<int>(threadIdx.x) % 32, range);
  }
  /// A group of copies, without any behind the last tile.
  __device__ __forceinline__ void start(int stage, int tile_first, int64_t offset) const {
    if (tile_first < range.end) {
      load_keys<kWidth, Tiles>(stages + stage * Tiles::kStageBytes, head, tile_first, range,
                               offset);
    }
    cp_async_commit();
  }
};

}  // namespace lckv::ops::cuda
