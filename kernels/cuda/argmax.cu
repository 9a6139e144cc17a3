#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/launch.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / 32;

template <class T>
struct Best {
  T value;
  int64_t column;
  /// Of equal values the first column.
  __device__ void take(T other, int64_t at) {
    if (other > value || (other == value && at < column)) {
      value = other;
      column = at;
    }
  }
};

template <class T>
__device__ inline Best<T> warp_best(Best<T> best) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    const T value = __shfl_xor_sync(0xFFFFFFFFu, best.value, offset);
    const int64_t column = __shfl_xor_sync(0xFFFFFFFFu, best.column, offset);
    best.take(value, column);
  }
  return best;
}

/// One row to a block.
template <class T>
__global__ __launch_bounds__(kThreads) void argmax_kernel(int32_t* index, const T* x,
                                                          int64_t stride, int64_t columns) {
  __shared__ Best<T> of_warps[kWarps];
  const T* const row = x + int64_t{blockIdx.x} * stride;
  Best<T> best{static_cast<T>(-INFINITY), columns};
  for (int64_t j = threadIdx.x; j < columns; j += kThreads) best.take(row[j], j);
  best = warp_best(best);
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = best;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (int warp = 1; warp < kWarps; ++warp) {
    best.take(of_warps[warp].value, of_warps[warp].column);
  }
  index[blockIdx.x] = best.column < columns ? static_cast<int32_t>(best.column) : 0;
}

}  // namespace

void argmax(Stream& stream, View index, ConstView x) {
  const auto rows = static_cast<unsigned>(x.dim(0));
  auto* const to = device_data<int32_t>(index);
  if (x.dtype() == DType::kF64) {
    argmax_kernel<<<rows, kThreads, 0, native(stream)>>>(to, device_data<double>(x), x.stride(0),
                                                         x.dim(1));
  } else {
    argmax_kernel<<<rows, kThreads, 0, native(stream)>>>(to, device_data<float>(x), x.stride(0),
                                                         x.dim(1));
  }
  check_launch("argmax");
}

}  // namespace lckv::ops::cuda
