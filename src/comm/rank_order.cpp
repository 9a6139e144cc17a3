#include "lckv/comm/rank_order.h"

#include <algorithm>
#include <type_traits>

namespace lckv::comm {

namespace {

constexpr int64_t kBlock = 2048;  // sums stay in the first-level cache

/// BF16 adds up in F32; integers as unsigned, where wrapping is defined.
template <class T>
struct SumOf {
  using type = T;
};
template <>
struct SumOf<BFloat16> {
  using type = float;
};
template <>
struct SumOf<int32_t> {
  using type = uint32_t;
};
template <>
struct SumOf<int64_t> {
  using type = uint64_t;
};

template <class T, class S>
void load(S* __restrict sum, const T* __restrict x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] = static_cast<S>(x[i]);
}

template <class T, class S>
void add(S* __restrict sum, const T* __restrict x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) sum[i] += static_cast<S>(x[i]);
}

template <class T, class S>
void raise(S* __restrict largest, const T* __restrict x, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const S a = largest[i], b = static_cast<S>(x[i]);
    // Two comparisons that a NaN fails: the first keeps a NaN of the past, else b comes through.
    largest[i] = a != a || a > b ? a : b;
  }
}

template <class T, class S>
void store(T* __restrict to, const S* __restrict sum, int64_t count) {
  for (int64_t i = 0; i < count; ++i) to[i] = static_cast<T>(sum[i]);
}

template <class T, class S, class Step>
void combine(void* to, std::span<const void* const> from, int64_t count, const Step& step) {
  alignas(64) S block[kBlock];
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    const int64_t n = std::min(kBlock, count - begin);
    load(block, static_cast<const T*>(from[0]) + begin, n);
    for (size_t rank = 1; rank < from.size(); ++rank) {
      step(block, static_cast<const T*>(from[rank]) + begin, n);
    }
    store(static_cast<T*>(to) + begin, block, n);
  }
}

template <class T>
void combine_type(ReduceOp op, void* to, std::span<const void* const> from, int64_t count) {
  if (op == ReduceOp::kSum) {
    using S = typename SumOf<T>::type;
    combine<T, S>(to, from, count, add<T, S>);
  } else {
    using S = std::conditional_t<std::is_same_v<T, BFloat16>, float, T>;
    combine<T, S>(to, from, count, raise<T, S>);
  }
}

}  // namespace

void combine_in_rank_order(DType dtype, ReduceOp op, void* to, std::span<const void* const> from,
                           int64_t count) {
  switch (dtype) {
    case DType::kBF16:
      return combine_type<BFloat16>(op, to, from, count);
    case DType::kF32:
      return combine_type<float>(op, to, from, count);
    case DType::kF64:
      return combine_type<double>(op, to, from, count);
    case DType::kI32:
      return combine_type<int32_t>(op, to, from, count);
    case DType::kI64:
      return combine_type<int64_t>(op, to, from, count);
  }
  throw InternalError("unknown dtype");
}

}  // namespace lckv::comm
