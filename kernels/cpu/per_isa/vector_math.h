#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "lckv/kernels/cpu/per_isa/kernels.h"

// Scalar functions without branches: a `#pragma omp simd` loop over them becomes vector code on
// every instruction set.
LCKV_CPU_BEGIN

inline float to_acc(BFloat16 value) { return std::bit_cast<float>(uint32_t{value.bits} << 16); }
inline float to_acc(float value) { return value; }
inline double to_acc(double value) { return value; }

/// Rounded once, to nearest even; NaN stays NaN.
inline BFloat16 round_to_bf16(float value) {
  const uint32_t word = std::bit_cast<uint32_t>(value);
  // One shift for both cases: otherwise the compiler narrows one of them to 16 bits before it
  // chooses.
  const uint32_t rounded = word + 0x7FFFu + ((word >> 16) & 1u);
  const uint32_t chosen = value != value ? word | 0x400000u : rounded;
  BFloat16 result;
  result.bits = static_cast<uint16_t>(chosen >> 16);
  return result;
}

/// Through a float rounded to odd, whose second rounding cannot err.
inline BFloat16 round_to_bf16(double value) {
  const auto nearest = static_cast<float>(value);
  uint32_t word = std::bit_cast<uint32_t>(nearest);
  word -= std::fabs(static_cast<double>(nearest)) > std::fabs(value) ? 1u : 0u;
  word |= static_cast<double>(nearest) != value ? 1u : 0u;
  return round_to_bf16(std::bit_cast<float>(word));
}

/// An accumulator rounded to T, to nearest even.
template <class T, class A>
inline T from_acc(A value) {
  if constexpr (std::is_same_v<T, BFloat16>) {
    return round_to_bf16(value);
  } else {
    return static_cast<T>(value);
  }
}

/// e^x, within 1.1 ulp of the true value: subnormal results, 0, infinity and NaN as std::exp gives
/// them.
inline float exp_fast(float x) {
  // e^x = 2^n e^r with n = round(x / ln 2), |r| <= ln(2) / 2. Outside of these bounds the result is
  // 0 or infinity anyway; the comparisons are written so that NaN passes.
  constexpr float kLowest = -104.0f;
  constexpr float kHighest = 89.0f;
  x = x < kLowest ? kLowest : x;
  x = x > kHighest ? kHighest : x;

  // Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits.
  constexpr float kRound = 12582912.0f;
  const float shifted = x * 0x1.715476p+0f + kRound;
  const float n = shifted - kRound;
  const auto exponent =
      static_cast<int32_t>(std::bit_cast<uint32_t>(shifted) - std::bit_cast<uint32_t>(kRound));

  // ln 2 in two parts; the first has 8 trailing zero bits, so that n times it is exact.
  float r = x - n * 0x1.62e4p-1f;
  r = r - n * 0x1.7f7d1cp-20f;

  // (e^r - 1 - r) / r^2, interpolated at the Chebyshev nodes: 0.13 ulp of e^r.
  float p = 0x1.6d113cp-10f;
  p = p * r + 0x1.120ba2p-7f;
  p = p * r + 0x1.55551ap-5f;
  p = p * r + 0x1.5554dcp-3f;
  p = p * r + 0.5f;
  const float tail = p * r * r + r;

  // 2^n in two factors: n reaches 128 and -150, beyond the exponents of a float.
  const int32_t half = exponent >> 1;
  const float scale_a = std::bit_cast<float>(static_cast<uint32_t>(half + 127) << 23);
  const float scale_b = std::bit_cast<float>(static_cast<uint32_t>(exponent - half + 127) << 23);
  return (1.0f + tail) * scale_a * scale_b;
}

inline double exp_fast(double x) { return std::exp(x); }

LCKV_CPU_END
