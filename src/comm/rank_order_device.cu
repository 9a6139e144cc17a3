#include <algorithm>
#include <string>

#include <cuda_bf16.h>
#include <cuda_runtime.h>

#include "lckv/comm/rank_order_device.h"

namespace lckv::comm {

namespace {

constexpr int kThreads = 256;
constexpr int64_t kMostBlocks = 1024;

/// What elements add up in: BF16 in F32, integers as unsigned, where wrapping is defined.
template <class T>
struct SumOf {
  using type = T;
};
template <>
struct SumOf<__nv_bfloat16> {
  using type = float;
};
template <>
struct SumOf<int32_t> {
  using type = uint32_t;
};
template <>
struct SumOf<int64_t> {
  using type = unsigned long long;
};

struct Add {
  template <class T>
  using Acc = typename SumOf<T>::type;
  template <class S>
  static __device__ S join(S a, S b) {
    return a + b;
  }
};

struct Raise {
  template <class T>
  using Acc = std::conditional_t<std::is_same_v<T, __nv_bfloat16>, float, T>;
  // Two comparisons that a NaN fails: the first keeps a NaN of the past, else b comes through.
  template <class S>
  static __device__ S join(S a, S b) {
    return a != a || a > b ? a : b;
  }
};

template <class S, class T>
__device__ S widened(T x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __bfloat162float(x);
  } else {
    return static_cast<S>(x);
  }
}

template <class T, class S>
__device__ T narrowed(S x) {
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    return __float2bfloat16_rn(x);
  } else {
    return static_cast<T>(x);
  }
}

template <class T, int kWidth>
struct alignas(sizeof(T) * kWidth) Pack {
  T values[kWidth];
};

/// kWidth elements per thread and turn; `count` is a multiple, and everything aligned to a pack.
template <class T, class Op, int kWidth>
__global__ void __launch_bounds__(kThreads) combine(T* to, DeviceParts parts, int64_t count) {
  using Values = Pack<T, kWidth>;
  using S = typename Op::template Acc<T>;
  const auto load = [&](int rank, int64_t at) {
    const T* const part = rank == parts.rank
                              ? static_cast<const T*>(parts.own)
                              : static_cast<const T*>(parts.staged) + rank * parts.slot_elems;
    return *reinterpret_cast<const Values*>(part + at);
  };
  const int64_t step = int64_t{gridDim.x} * kThreads * kWidth;
  for (int64_t at = (int64_t{blockIdx.x} * kThreads + threadIdx.x) * kWidth; at < count;
       at += step) {
    const Values first = load(0, at);
    S sums[kWidth];
#pragma unroll
    for (int i = 0; i < kWidth; ++i) sums[i] = widened<S>(first.values[i]);
    for (int rank = 1; rank < parts.size; ++rank) {
      const Values next = load(rank, at);
#pragma unroll
      for (int i = 0; i < kWidth; ++i) sums[i] = Op::join(sums[i], widened<S>(next.values[i]));
    }
    Values result;
#pragma unroll
    for (int i = 0; i < kWidth; ++i) result.values[i] = narrowed<T>(sums[i]);
    *reinterpret_cast<Values*>(to + at) = result;
  }
}

template <class T, class Op, int kWidth>
void launch(cudaStream_t stream, void* to, const DeviceParts& parts, int64_t count) {
  constexpr int64_t kOfBlock = int64_t{kThreads} * kWidth;
  const int64_t blocks = std::min((count + kOfBlock - 1) / kOfBlock, kMostBlocks);
  combine<T, Op, kWidth>
      <<<static_cast<unsigned>(blocks), kThreads, 0, stream>>>(static_cast<T*>(to), parts, count);
  const cudaError_t status = cudaGetLastError();
  if (status == cudaSuccess) return;
  throw CudaError(std::string("sum in rank order: ") + cudaGetErrorString(status));
}

bool is_aligned(const void* address) { return reinterpret_cast<uintptr_t>(address) % 16 == 0; }

template <class T, class Op>
void choose_width(cudaStream_t stream, void* to, const DeviceParts& parts, int64_t count) {
  constexpr int kWidth = 16 / static_cast<int>(sizeof(T));
  const bool in_packs = count % kWidth == 0 && parts.slot_elems % kWidth == 0 && is_aligned(to) &&
                        is_aligned(parts.own) && is_aligned(parts.staged);
  if (in_packs) return launch<T, Op, kWidth>(stream, to, parts, count);
  launch<T, Op, 1>(stream, to, parts, count);
}

template <class T>
void choose_op(void* stream, ReduceOp op, void* to, const DeviceParts& parts, int64_t count) {
  const auto native = static_cast<cudaStream_t>(stream);
  if (op == ReduceOp::kSum) return choose_width<T, Add>(native, to, parts, count);
  choose_width<T, Raise>(native, to, parts, count);
}

}  // namespace

void combine_in_rank_order_on_device(void* stream, DType dtype, ReduceOp op, void* to,
                                     const DeviceParts& parts, int64_t count) {
  if (count == 0) return;
  switch (dtype) {
    case DType::kBF16:
      return choose_op<__nv_bfloat16>(stream, op, to, parts, count);
    case DType::kF32:
      return choose_op<float>(stream, op, to, parts, count);
    case DType::kF64:
      return choose_op<double>(stream, op, to, parts, count);
    case DType::kI32:
      return choose_op<int32_t>(stream, op, to, parts, count);
    case DType::kI64:
      return choose_op<int64_t>(stream, op, to, parts, count);
  }
  throw InternalError("unknown dtype");
}

}  // namespace lckv::comm
