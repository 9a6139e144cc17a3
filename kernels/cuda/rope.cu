#include <algorithm>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
struct Rotation {
  T* x;  // [N, heads, 2 * half]
  const Acc<T>*cos, *sin;
  const int32_t* positions;
  int64_t N;
  int heads, half;
  int64_t row_stride, head_stride;  // elements
  Acc<T> sign;
};

/// The pairs x[j .. j + kCount) and x[j + half ..) of one head.
template <int kCount, class T>
__device__ inline void rotate(T* x, const Acc<T>* cos, const Acc<T>* sin, Acc<T> sign, int half) {
  auto first = load_vector<kCount>(x);
  auto second = load_vector<kCount>(x + half);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const Acc<T> x1 = widen(first[i]);
    const Acc<T> x2 = widen(second[i]);
    const Acc<T> s = sign * sin[i];
    first[i] = narrow<T>(x1 * cos[i] - x2 * s);
    second[i] = narrow<T>(x2 * cos[i] + x1 * s);
  }
  store_vector(x, first);
  store_vector(x + half, second);
}

/// The tables' entries beside kCount pairs: several loads of 16 bytes.
template <int kCount, class A>
__device__ inline Vector<A, kCount> load_entries(const A* from) {
  return load_vector<kCount>(from);
}

/// A block takes whole rows, several at once when they are short: the tables' lines are read from
/// memory once for all of a row's heads.
template <int kCount, class T>
__global__ __launch_bounds__(kThreads) void rotate_kernel(Rotation<T> r, int rows_at_once) {
  const int vectors = r.half / kCount;      // of half a head
  const int row_items = r.heads * vectors;  // of half a row
  const int threads_of_row = kThreads / rows_at_once;
  const int own_row = static_cast<int>(threadIdx.x) / threads_of_row;
  const int own_item = static_cast<int>(threadIdx.x) % threads_of_row;
  const int64_t n = int64_t{blockIdx.x} * rows_at_once + own_row;
  if (own_row >= rows_at_once || n >= r.N) return;
  const int64_t entries = int64_t{r.positions[n]} * r.half;
  for (int item = own_item; item < row_items; item += threads_of_row) {
    const int head = item / vectors;
    const int j = (item - head * vectors) * kCount;
    const auto cos = load_entries<kCount>(r.cos + entries + j);
    const auto sin = load_entries<kCount>(r.sin + entries + j);
    rotate<kCount>(r.x + n * r.row_stride + head * r.head_stride + j, cos.values, sin.values,
                   r.sign, r.half);
  }
}

template <class T>
bool fits(const Rotation<T>& r) {
  constexpr int kWide = kWidth<T>;
  return r.half % kWide == 0 && r.head_stride % kWide == 0 &&
         fits_vectors<kWide>(r.x, r.row_stride) && fits_vectors<kWide>(r.cos) &&
         fits_vectors<kWide>(r.sin);
}

template <class T>
void launch_rotation(cudaStream_t stream, const char* op, const Rotation<T>& r) {
  with_width<kWidth<T>>(fits(r), [&](auto width) {
    constexpr int kCount = decltype(width)::value;
    const int row_items = r.heads * (r.half / kCount);
    const int rows_at_once = std::clamp(kThreads / row_items, 1, 32);
    rotate_kernel<kCount><<<blocks_of(r.N, rows_at_once), kThreads, 0, stream>>>(r, rows_at_once);
    check_launch(op);
  });
}

void rotate_heads(const Stream& stream, const char* op, const View& x, const ConstView& cos,
                  const ConstView& sin, const ConstView& positions, int sign) {
  if (x.numel() == 0) return;
  with_device_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Acc<T>;
    launch_rotation(native(stream), op,
                    Rotation<T>{device_data<T>(x), device_data<A>(cos), device_data<A>(sin),
                                device_data<int32_t>(positions), x.dim(0),
                                static_cast<int>(x.dim(1)), static_cast<int>(x.dim(2) / 2),
                                x.stride(0), x.stride(1), static_cast<A>(sign)});
  });
}

template <class A>
__global__ __launch_bounds__(kThreads) void tables_kernel(A* cos_table, A* sin_table, int64_t half,
                                                          int64_t items, double theta) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= items) return;
  const RowColumn at = row_column(item, half);
  const double exponent = -static_cast<double>(at.column) / static_cast<double>(half);
  const double angle = static_cast<double>(at.row) * pow(theta, exponent);
  cos_table[item] = static_cast<A>(cos(angle));
  sin_table[item] = static_cast<A>(sin(angle));
}

template <class A>
void launch_tables(cudaStream_t stream, const View& cos, const View& sin, double theta) {
  tables_kernel<<<blocks_of(cos.numel(), kThreads), kThreads, 0, stream>>>(
      device_data<A>(cos), device_data<A>(sin), cos.dim(1), cos.numel(), theta);
  check_launch("rope_tables");
}

}  // namespace

void rope_forward(Stream& stream, View x, ConstView cos, ConstView sin, ConstView positions) {
  rotate_heads(stream, "rope_forward", x, cos, sin, positions, 1);
}

void rope_backward(Stream& stream, View dx, ConstView cos, ConstView sin, ConstView positions) {
  rotate_heads(stream, "rope_backward", dx, cos, sin, positions, -1);
}

void rope_tables(Stream& stream, View cos, View sin, double theta) {
  if (cos.numel() == 0) return;
  if (cos.dtype() == DType::kF64) {
    launch_tables<double>(native(stream), cos, sin, theta);
  } else {
    launch_tables<float>(native(stream), cos, sin, theta);
  }
}

}  // namespace lckv::ops::cuda
