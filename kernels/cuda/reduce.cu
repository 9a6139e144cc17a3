#include <algorithm>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/scratch.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kAhead = 4;  // packs of a thread under way at once
// Four for each of 132 multiprocessors: all run at once, and the order of a sum depends on its size
// alone.
constexpr int64_t kMaxBlocks = 528;

struct Identity {
  __device__ static double of(double x) { return x; }
};
struct Square {
  __device__ static double of(double x) { return x * x; }
};

/// Pack `pack` of x, 0 behind the end. Without `aligned` element by element: the packs of a thread
/// are the same, and with them the order of the sum.
template <class T>
__device__ inline Pack<T> load_elements(const T* x, int64_t pack, int64_t count, bool aligned) {
  constexpr int kCount = Pack<T>::kCount;
  const int64_t first = pack * kCount;
  if (aligned && first + kCount <= count) return load_pack(x + first);
  Pack<T> elements;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    elements[i] = first + i < count ? x[first + i] : narrow<T>(0.0f);
  }
  return elements;
}

template <class Term, class T>
__device__ double sum_of_thread(const T* x, int64_t count, bool aligned) {
  const int64_t packs = (count + Pack<T>::kCount - 1) / Pack<T>::kCount;
  double sum = 0;
  for (int64_t pack = int64_t{blockIdx.x} * (kThreads * kAhead) + threadIdx.x; pack < packs;
       pack += int64_t{gridDim.x} * (kThreads * kAhead)) {
    Pack<T> elements[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      elements[k] = load_elements(x, pack + k * kThreads, count, aligned);
    }
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
#pragma unroll
      for (int i = 0; i < Pack<T>::kCount; ++i) {
        sum += Term::of(static_cast<double>(widen(elements[k][i])));
      }
    }
  }
  return sum;
}

__device__ inline void store(double* total, double sum, GradMode mode) {
  *total = mode == GradMode::kAccumulate ? *total + sum : sum;
}

/// `partial` null: the one block has it all.
template <class Term, class T>
__global__ __launch_bounds__(kThreads) void sum_kernel(double* partial, double* total, const T* x,
                                                       int64_t count, bool aligned, GradMode mode) {
  const double sum = block_sum<kThreads>(sum_of_thread<Term>(x, count, aligned));
  if (threadIdx.x != 0) return;
  if (partial == nullptr) {
    store(total, sum, mode);
  } else {
    partial[blockIdx.x] = sum;
  }
}

__global__ __launch_bounds__(kThreads) void combine_kernel(double* total, const double* partial,
                                                           int blocks, GradMode mode) {
  double sum = 0;
  for (int block = threadIdx.x; block < blocks; block += kThreads) sum += partial[block];
  sum = block_sum<kThreads>(sum);
  if (threadIdx.x == 0) store(total, sum, mode);
}

template <class Term>
void sum_terms(const Stream& stream, const char* op, const View& total, const ConstView& x,
               GradMode mode) {
  with_device_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const int64_t count = x.numel();
    const int64_t block_elems = int64_t{Pack<T>::kCount} * kThreads * kAhead;
    const int64_t blocks = std::clamp<int64_t>(ceil_div(count, block_elems), 1, kMaxBlocks);
    auto* const partial = blocks == 1
                              ? nullptr
                              : static_cast<double*>(scratch(stream, ScratchUse::kPartialSums,
                                                             kMaxBlocks * int64_t{sizeof(double)}));
    const T* const data = device_data<T>(x);
    double* const to = device_data<double>(total);
    const bool aligned = reinterpret_cast<uintptr_t>(data) % sizeof(Pack<T>) == 0;
    sum_kernel<Term><<<static_cast<unsigned>(blocks), kThreads, 0, native(stream)>>>(
        partial, to, data, count, aligned, mode);
    check_launch(op);
    if (blocks == 1) return;
    combine_kernel<<<1, kThreads, 0, native(stream)>>>(to, partial, static_cast<int>(blocks), mode);
    check_launch(op);
  });
}

/// One row to a warp.
template <class T>
__global__ __launch_bounds__(kThreads) void row_changes_kernel(double* squares, const T* x,
                                                               int64_t x_stride, const T* before,
                                                               int64_t before_stride, int64_t rows,
                                                               int64_t columns) {
  const int64_t row = int64_t{blockIdx.x} * (kThreads / 32) + threadIdx.x / 32;
  if (row >= rows) return;
  const T* const now = x + row * x_stride;
  const T* const old = before + row * before_stride;
  double change = 0, size = 0;
  for (int64_t i = threadIdx.x % 32; i < columns; i += 32) {
    const double value = static_cast<double>(widen(now[i]));
    const double difference = value - static_cast<double>(widen(old[i]));
    change += difference * difference;
    size += value * value;
  }
  change = warp_sum(change);
  size = warp_sum(size);
  if (threadIdx.x % 32 != 0) return;
  squares[2 * row] = change;
  squares[2 * row + 1] = size;
}

template <class S>
__global__ void clip_kernel(S* scale, const double* sum_of_squares, double max_norm) {
  const double ratio = max_norm / (sqrt(*sum_of_squares) + 1e-6);
  // A NaN ratio stays: the update must not look like a clipped one.
  *scale = static_cast<S>(max_norm == 0 || ratio >= 1 ? 1.0 : ratio);
}

}  // namespace

void sum(Stream& stream, View total, ConstView x, GradMode mode) {
  sum_terms<Identity>(stream, "sum", total, x, mode);
}

void sum_of_squares(Stream& stream, View total, ConstView x, GradMode mode) {
  sum_terms<Square>(stream, "sum_of_squares", total, x, mode);
}

void row_changes(Stream& stream, View squares, ConstView x, ConstView before) {
  const int64_t rows = x.dim(0);
  const auto blocks = static_cast<unsigned>(ceil_div<int64_t>(rows, kThreads / 32));
  with_device_type(x.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    row_changes_kernel<<<blocks, kThreads, 0, native(stream)>>>(
        device_data<double>(squares), device_data<T>(x), x.stride(0), device_data<T>(before),
        before.stride(0), rows, x.dim(1));
  });
  check_launch("row_changes");
}

void clip_scale(Stream& stream, View scale, ConstView sum_of_squares, double max_norm) {
  const double* const squares = device_data<double>(sum_of_squares);
  if (scale.dtype() == DType::kF64) {
    clip_kernel<<<1, 1, 0, native(stream)>>>(device_data<double>(scale), squares, max_norm);
  } else {
    clip_kernel<<<1, 1, 0, native(stream)>>>(device_data<float>(scale), squares, max_norm);
  }
  check_launch("clip_scale");
}

}  // namespace lckv::ops::cuda
