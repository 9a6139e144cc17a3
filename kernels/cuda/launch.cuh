#pragma once

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "lckv/tensor/dtype.h"
#include "lckv/tensor/stream.h"
#include "lckv/tensor/view.h"

/// What all kernel files share: launches, types, wide loads, block sums.
namespace lckv::ops::cuda {

inline cudaStream_t native(const Stream& stream) {
  return static_cast<cudaStream_t>(stream.native());
}

/// Throws CudaError naming the op when the call before, a launch, was refused.
void check_launch(const char* op);

template <class T>
constexpr T ceil_div(T a, T b) {
  return (a + b - 1) / b;
}

/// The device's type of a dtype's C++ type: __nv_bfloat16 for BFloat16, which has the same bits.
template <class T>
struct DeviceType {
  using type = T;
};
template <>
struct DeviceType<BFloat16> {
  using type = __nv_bfloat16;
};

/// with_float_type with device types.
template <class F>
decltype(auto) with_device_type(DType dtype, F&& f) {
  return with_float_type(dtype, [&](auto tag) {
    return f(TypeTag<typename DeviceType<typename decltype(tag)::type>::type>{});
  });
}

/// Sums, statistics and gradients beside activations of type T; see AccumulatorOf.
template <class T>
using Acc = std::conditional_t<std::is_same_v<T, double>, double, float>;

/// Address of element 0 as the device sees it; the dtype has been checked by whoever chose T.
template <class T>
T* device_data(const View& view) {
  return static_cast<T*>(view.raw());
}
template <class T>
const T* device_data(const ConstView& view) {
  return static_cast<const T*>(view.raw());
}

// ---- numbers

__device__ inline float widen(__nv_bfloat16 x) { return __bfloat162float(x); }
__device__ inline float widen(float x) { return x; }
__device__ inline double widen(double x) { return x; }

/// Rounds to nearest even.
template <class T, class A>
__device__ inline T narrow(A x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(static_cast<float>(x));
  } else {
    return static_cast<T>(x);
  }
}

// ---- 16 bytes at once

/// As many T as 16 bytes hold.
template <class T>
struct alignas(16) Pack {
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  T values[kCount];
  __device__ T& operator[](int i) { return values[i]; }
  __device__ const T& operator[](int i) const { return values[i]; }
};

template <class T>
__device__ inline Pack<T> load_pack(const T* from) {
  return *reinterpret_cast<const Pack<T>*>(from);
}
/// Read once: leaves the cache to others.
template <class T>
__device__ inline Pack<T> load_pack_streaming(const T* from) {
  const int4 bits = __ldcs(reinterpret_cast<const int4*>(from));
  return *reinterpret_cast<const Pack<T>*>(&bits);
}
template <class T>
__device__ inline void store_pack(T* to, const Pack<T>& pack) {
  *reinterpret_cast<Pack<T>*>(to) = pack;
}

/// Whether rows of `columns` elements at `row_stride` elements can be read by packs.
template <class T>
bool fits_packs(const void* data, int64_t columns, int64_t row_stride) {
  constexpr auto kBytes = static_cast<int64_t>(sizeof(T));
  return reinterpret_cast<uintptr_t>(data) % 16 == 0 && columns * kBytes % 16 == 0 &&
         row_stride * kBytes % 16 == 0;
}

// ---- sums in a fixed order

template <class T>
__device__ inline T warp_sum(T x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) x += __shfl_xor_sync(0xFFFFFFFFu, x, offset);
  return x;
}
template <class T>
__device__ inline T warp_max(T x) {
#pragma unroll
  for (int offset = 16; offset > 0; offset /= 2) {
    x = max(x, __shfl_xor_sync(0xFFFFFFFFu, x, offset));
  }
  return x;
}

/// Sum over the block, known to every thread. kThreads: the block's, a multiple of 32. May be
/// called again at once.
template <int kThreads, class T>
__device__ inline T block_sum(T x) {
  constexpr int kWarps = kThreads / 32;
  __shared__ T of_warps[kWarps];
  x = warp_sum(x);
  if constexpr (kWarps == 1) return x;
  __syncthreads();  // a sum before this one has been read
  if (threadIdx.x % 32 == 0) of_warps[threadIdx.x / 32] = x;
  __syncthreads();
  T total = 0;
#pragma unroll
  for (int warp = 0; warp < kWarps; ++warp) total += of_warps[warp];
  return total;
}

}  // namespace lckv::ops::cuda
