#pragma once

#include "lckv/kernels/cuda/attention_mask.cuh"
#include "lckv/kernels/cuda/attention_paths.h"

/// What the attention kernels for any dtype, head width and stride share: a warp owns one row (of a
/// query or of a key) and meets the rows of the other side 32 at a time, one per lane.
namespace lckv::ops::cuda {

inline constexpr int kGeneralWarps = 4;
inline constexpr int kGeneralThreads = 32 * kGeneralWarps;

template <class A>
__device__ inline A infinity() {
  return static_cast<A>(INFINITY);
}

__device__ inline int general_lane() { return static_cast<int>(threadIdx.x) % 32; }

/// The row of this warp: rows are numbered [B, heads, tokens]. `exists` is false past the last.
struct WarpRow {
  bool exists;
  int b, h, t;

  __device__ WarpRow(int batch, int heads, int tokens) {
    const int64_t row =
        static_cast<int64_t>(blockIdx.x) * kGeneralWarps + static_cast<int>(threadIdx.x) / 32;
    exists = row < static_cast<int64_t>(batch) * heads * tokens;
    t = static_cast<int>(row % tokens);
    h = static_cast<int>(row / tokens % heads);
    b = static_cast<int>(row / tokens / heads);
  }
};

inline unsigned general_blocks(int64_t rows) {
  return static_cast<unsigned>(ceil_div<int64_t>(rows, kGeneralWarps));
}

/// Array `index` of this warp's `count` arrays of `width` numbers in dynamic shared memory.
template <class A>
__device__ inline A* warp_array(unsigned char* shared, int count, int index, int width) {
  const int warp = static_cast<int>(threadIdx.x) / 32;
  return reinterpret_cast<A*>(shared) + (warp * count + index) * width;
}
template <class A>
int warp_arrays_bytes(int count, int width) {
  return kGeneralWarps * count * width * static_cast<int>(sizeof(A));
}

/// Widens one row, each lane its columns lane, lane + 32 ...; __syncwarp() before others read them.
template <class T, class A>
__device__ inline void stage_row(A* to, const T* from, int width) {
  for (int d = general_lane(); d < width; d += 32) to[d] = widen(from[d]);
}

template <class A>
__device__ inline void clear_row(A* row, int width) {
  for (int d = general_lane(); d < width; d += 32) row[d] = 0;
}

/// This lane's product of a staged row with a row in memory.
template <class T, class A>
__device__ inline A row_product(const A* staged, const T* row, int width) {
  A sum = 0;
  for (int d = 0; d < width; ++d) sum += staged[d] * widen(row[d]);
  return sum;
}

/// sums = sums * keep + sum over lanes of weight * the lane's row; rows first .. first+count-1 of a
/// head, lanes from `count` on have weight 0. In the order of the rows.
template <class T, class A>
__device__ inline void add_weighted_rows(A* sums, A keep, A weight, const T* head, int64_t stride,
                                         int first, int count, int width) {
  for (int from = 0; from < width; from += 32) {
    const int d = from + general_lane();
    const bool mine = d < width;
    A sum = mine ? sums[d] * keep : A{0};
    for (int lane = 0; lane < count; ++lane) {
      const A w = __shfl_sync(0xFFFFFFFFu, weight, lane);
      if (mine) sum += w * widen(head[(first + lane) * stride + d]);
    }
    if (mine) sums[d] = sum;
  }
}

}  // namespace lckv::ops::cuda
