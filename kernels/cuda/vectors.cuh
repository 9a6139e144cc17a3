#pragma once

#include <algorithm>

#include "lckv/kernels/cuda/launch.cuh"

/// Vectors of chosen width, for kernels that meet two dtypes at once, and the arithmetic of
/// indices.
namespace lckv::ops::cuda {

/// kCount elements that lie together, aligned to their size but for no more than 16 bytes.
template <class T, int kCount>
struct alignas(std::min<size_t>(16, sizeof(T) * kCount)) Vector {
  T values[kCount];
  __device__ T& operator[](int i) { return values[i]; }
  __device__ const T& operator[](int i) const { return values[i]; }
};

template <int kCount, class T>
__device__ inline Vector<T, kCount> load_vector(const T* from) {
  return *reinterpret_cast<const Vector<T, kCount>*>(from);
}
template <class T, int kCount>
__device__ inline void store_vector(T* to, const Vector<T, kCount>& vector) {
  *reinterpret_cast<Vector<T, kCount>*>(to) = vector;
}

/// Elements of a vector whose widest type fills 16 bytes: neighbouring threads then read and write
/// neighbouring vectors of every type, without gaps.
template <class... Ts>
constexpr int kWidth = 16 / static_cast<int>(std::max({sizeof(Ts)...}));

template <int kCount>
struct Width {
  static constexpr int value = kCount;
};

/// Whether vectors of kCount elements may begin at every multiple of kCount and of `row_stride`.
template <int kCount, class T>
bool fits_vectors(const T* data, int64_t row_stride = 0) {
  return reinterpret_cast<uintptr_t>(data) % alignof(Vector<T, kCount>) == 0 &&
         row_stride % kCount == 0;
}

/// Calls f(Width<kWide>) or f(Width<1>).
template <int kWide, class F>
void with_width(bool wide, const F& f) {
  if (wide) {
    f(Width<kWide>{});
  } else {
    f(Width<1>{});
  }
}

/// Covers 0..count-1 with f(Width<kWide>, 0, whole) and f(Width<1>, whole, count): the elements of
/// whole vectors, then the rest; all one by one unless `wide`. Empty ranges are left out.
template <int kWide, class F>
void with_widths(bool wide, int64_t count, const F& f) {
  const int64_t whole = wide ? count - count % kWide : 0;
  if (whole > 0) f(Width<kWide>{}, int64_t{0}, whole);
  if (whole < count) f(Width<1>{}, whole, count);
}

/// Blocks that have `per_block` items each, the last one fewer.
inline unsigned blocks_of(int64_t items, int64_t per_block) {
  return static_cast<unsigned>(ceil_div(items, per_block));
}

struct RowColumn {
  int64_t row, column;
};

/// Item i of rows of `columns` items. A division of 64 bits costs more than the memory access it is
/// for, so it is left to sizes that need it.
__device__ inline RowColumn row_column(int64_t i, int64_t columns) {
  if (i < columns) return {0, i};
  if (((i | columns) >> 32) == 0) {
    const auto row = static_cast<uint32_t>(i) / static_cast<uint32_t>(columns);
    return {row, i - int64_t{row} * columns};
  }
  const int64_t row = i / columns;
  return {row, i - row * columns};
}

}  // namespace lckv::ops::cuda
