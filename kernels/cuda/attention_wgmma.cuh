#pragma once

#include "lckv/kernels/cuda/attention_mma.cuh"
#include "lckv/kernels/cuda/attention_paths.h"
#include "lckv/kernels/cuda/wgmma_instructions.cuh"

/// What the attention kernels for sm_90a share. A block is a warpgroup that loads and two that
/// multiply, 64 rows each of the tile that stays. They meet at barriers in shared memory alone: one
/// multiplies while the other weighs, and a head's first tiles load during the head before it.
namespace lckv::ops::cuda {

inline constexpr int kWgmmaWidth = 64;  // of heads
inline constexpr int kWarpgroupThreads = 128;
inline constexpr int kMultipliers = 2;
inline constexpr int kMultiplierRows = 64;
inline constexpr int kBlockRows = kMultipliers * kMultiplierRows;
inline constexpr int kWgmmaThreads = (1 + kMultipliers) * kWarpgroupThreads;

// A multiprocessor has 65536; the loading warpgroup leaves its own to the others.
inline constexpr int kLoaderRegisters = 56, kMultiplierRegisters = 224;
static_assert((kLoaderRegisters + kMultipliers * kMultiplierRegisters) * kWarpgroupThreads <=
              65536);

inline constexpr int kMultiplierBytes = Tile<kWgmmaWidth>::bytes(kMultiplierRows);
inline constexpr int kBlockBytes = Tile<kWgmmaWidth>::bytes(kBlockRows);

/// Barriers of a ring of kStages places: place i is `full` when all copies to it have arrived,
/// `empty` when all threads that multiply have read it. Static shared memory, which a kernel
/// without a body has none of: runs_wgmma().
template <int kStages>
struct RingBarriers {
  uint64_t full[kStages], empty[kStages];

  /// By one thread.
  __device__ void init() {
    for (int i = 0; i < kStages; ++i) {
      barrier_init(shared_address(&full[i]), kWarpgroupThreads);
      barrier_init(shared_address(&empty[i]), kMultipliers * kWarpgroupThreads);
    }
  }
};

/// Where a warp stands in a ring. Loading: wait_empty(), copy, announce full(), next().
/// Multiplying: wait_full(), read, release(), next().
template <int kStages>
class Ring {
 public:
  int place = 0;

  __device__ __forceinline__ explicit Ring(const RingBarriers<kStages>& barriers)
      : full_(shared_address(barriers.full)), empty_(shared_address(barriers.empty)) {}

  __device__ __forceinline__ uint32_t full() const { return full_ + 8 * place; }
  __device__ __forceinline__ void wait_full() const { barrier_wait(full(), round_); }
  __device__ __forceinline__ void wait_empty() const {
    barrier_wait(empty_ + 8 * place, round_ ^ 1);
  }
  /// This warp has read place `of`. All lanes tell: compute-sanitizer's racecheck does not see what
  /// one of them tells for the others.
  __device__ __forceinline__ void release(int of) const {
    __syncwarp();
    barrier_arrive(empty_ + 8 * of);
  }
  __device__ __forceinline__ void next() {
    if (++place < kStages) return;
    place = 0;
    round_ ^= 1;
  }
  /// Multiplying: over so many tiles unread.
  __device__ __forceinline__ void pass(int tiles) {
    for (int i = 0; i < tiles; ++i, next()) {
      wait_full();
      release(place);
    }
  }

 private:
  uint32_t full_, empty_;
  uint32_t round_ = 0;  // how often the ring has been gone round, modulo 2
};

/// Tells of this thread's copies that have arrived, one group behind: two are on their way. So a
/// ring whose readers hold two places has three or more.
class Announcer {
 public:
  /// The copies since the last call are all of what the barrier `full` stands for.
  __device__ __forceinline__ void close(uint32_t full) {
    cp_async_commit();
    if (pending_ != kNone) {
      cp_async_wait_groups<1>();
      announce();
    }
    pending_ = full;
  }
  __device__ __forceinline__ void finish() const {
    if (pending_ == kNone) return;
    cp_async_wait_groups<0>();
    announce();
  }

 private:
  static constexpr uint32_t kNone = ~0U;
  __device__ __forceinline__ void announce() const {
    fence_for_wgmma();
    barrier_arrive(pending_);
  }
  uint32_t pending_ = kNone;
};

/// A thread's part in copies of tiles of one head, kRows rows each, from row `first` on; zeros for
/// rows from `end` on.
template <int kRows>
class TileCopies {
 public:
  __device__ __forceinline__ TileCopies(const __nv_bfloat16* head, int64_t stride, int first,
                                        int end)
      : head_(head), stride_(stride), end_(end) {
    const int row = static_cast<int>(threadIdx.x) / kChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kChunks;
    token_ = first + row;
    from_ = head + token_ * stride + chunk * 8;
    to_ = Tile<kWgmmaWidth>::offset(row, chunk);
  }
  /// Starts copying the next kRows rows.
  __device__ __forceinline__ void next(uint32_t tile) {
#pragma unroll
    for (int i = 0; i < kRows / kStep; ++i) {
      const bool valid = token_ < end_;
      cp_async_16(tile + to_ + i * Tile<kWgmmaWidth>::bytes(kStep), valid ? from_ : head_, valid);
      token_ += kStep;
      from_ += kStep * stride_;
    }
  }

 private:
  static constexpr int kChunks = Tile<kWgmmaWidth>::kChunks;
  static constexpr int kStep = kWarpgroupThreads / kChunks;
  static_assert(kStep % 8 == 0 && kRows % kStep == 0);
  const __nv_bfloat16* head_;
  const __nv_bfloat16* from_;
  int64_t stride_;
  int token_, end_;
  uint32_t to_;
};

/// This warp's number among those that multiply, in a form that the compiler sees to be the same in
/// all lanes.
__device__ __forceinline__ int multiplier_warp() {
  constexpr int kLoaderWarps = kWarpgroupThreads / 32;
  return __shfl_sync(0xFFFFFFFFu, static_cast<int>(threadIdx.x) / 32, 0) - kLoaderWarps;
}

__device__ __forceinline__ int tiles_of(int count, int size) { return (count + size - 1) / size; }

/// Tiles first .. end-1.
struct TileRange {
  int first, end;

  /// Those of kSize with any of begin .. end-1.
  template <int kSize>
  __device__ static TileRange of(int begin, int end) {
    const int first = begin / kSize;
    return {first, max(first, tiles_of(end, kSize))};
  }
  /// What both have, inside this one.
  __device__ TileRange part(const TileRange& other) const {
    const int begin = min(max(first, other.first), end);
    return {begin, max(begin, min(end, other.end))};
  }
  __device__ bool empty() const { return first == end; }
};

/// c = rows . other^T: starts the products of the warpgroup's 64 rows with the 8 kN8 rows of
/// `other`. Rows are read from shared memory every time: kept in registers over a loop, nvcc 13.0
/// has been seen to overwrite them with other operands.
template <int kN8>
__device__ __forceinline__ void start_rows(float (&c)[kN8][4], uint32_t rows, uint32_t other) {
  const uint64_t a = matrix_descriptor(rows), b = matrix_descriptor(other);
#pragma unroll
  for (int k = 0; k < kWgmmaWidth / 16; ++k) wgmma<false>(c, a + 2 * k, b + 2 * k, k > 0);
}

/// sums += weights . other: starts the products with the 16 kK rows of `other`.
template <int kK>
__device__ __forceinline__ void start_weighted(float (&sums)[kWgmmaWidth / 8][4],
                                               const uint32_t (&weights)[kK][4], uint32_t other) {
  constexpr int kSixteenRows = Tile<kWgmmaWidth>::bytes(16) / 16;
  const uint64_t b = matrix_descriptor(other);
#pragma unroll
  for (int k = 0; k < kK; ++k) wgmma<true>(sums, weights[k], b + k * kSixteenRows, true);
}

/// Weights rounded to bf16 as `a` of products: what a lane holds of two neighbouring results is
/// what it must hold of an `a`.
template <int kK, int kN8>
__device__ __forceinline__ void pack_weights(uint32_t (&a)[kK][4], const float (&weights)[kN8][4]) {
  static_assert(kN8 == 2 * kK);
#pragma unroll
  for (int k = 0; k < kK; ++k) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const float(&w)[4] = weights[2 * k + i / 2];
      a[k][i] = pack_bf16(w[i % 2 * 2], w[i % 2 * 2 + 1]);
    }
  }
}

/// How many heads, one after the other, a block takes of a sequence: more hide more of what begins
/// and ends a head, but then blocks that differ in length fill the device less evenly.
inline int heads_per_block(int heads, int64_t blocks_per_head) {
  constexpr int kMostHeads = 4;
  constexpr int64_t kEnoughBlocks = 132;  // one for each of an H100's multiprocessors
  int run = 1;
  while (run < kMostHeads && heads % (2 * run) == 0 &&
         heads / (2 * run) * blocks_per_head >= kEnoughBlocks) {
    run *= 2;
  }
  return run;
}

}  // namespace lckv::ops::cuda
