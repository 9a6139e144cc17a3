#pragma once

#include <cstdint>
#include <string_view>
#include <type_traits>

#include "lckv/base/error.h"
#include "lckv/tensor/bfloat16.h"

namespace lckv {

enum class DType : uint8_t { kBF16, kF32, kF64, kI32, kI64 };

int64_t size_bytes(DType dtype);

/// "bf16", "f32", "f64", "i32", "i64": the spelling of messages.
std::string_view name(DType dtype);

/// The dtype of sums, statistics, gradients and optimizer state beside activations of `dtype`:
/// F64 for F64, F32 for everything else.
DType accumulator(DType dtype);

template <class T>
constexpr DType dtype_of() {
  using U = std::remove_const_t<T>;
  if constexpr (std::is_same_v<U, BFloat16>) return DType::kBF16;
  if constexpr (std::is_same_v<U, float>) return DType::kF32;
  if constexpr (std::is_same_v<U, double>) return DType::kF64;
  if constexpr (std::is_same_v<U, int32_t>) return DType::kI32;
  if constexpr (std::is_same_v<U, int64_t>) return DType::kI64;
}

/// Carries a type through a generic lambda: `typename decltype(tag)::type`.
template <class T>
struct TypeTag {
  using type = T;
};

/// Turns a floating dtype into a type inside a backend:
///   with_float_type(y.dtype(), [&](auto tag) { using T = typename decltype(tag)::type; ... });
template <class F>
decltype(auto) with_float_type(DType dtype, F&& f) {
  switch (dtype) {
    case DType::kBF16:
      return f(TypeTag<BFloat16>{});
    case DType::kF32:
      return f(TypeTag<float>{});
    case DType::kF64:
      return f(TypeTag<double>{});
    default:
      throw DTypeError("expected bf16, f32 or f64, got " + std::string(name(dtype)));
  }
}

/// The accumulator type that belongs to an activation type; see accumulator().
template <class T>
using AccumulatorOf = std::conditional_t<std::is_same_v<T, double>, double, float>;

}  // namespace lckv
