#pragma once

#include <algorithm>
#include <limits>

#include "lckv/kernels/cpu/per_isa/vector_math.h"

// The elementwise part of attention. Weights are powers of two: w = 2^(scale_log2 * score -
// shift_log2), with scale_log2 = log2(e) / sqrt(D), is e^(scaled score - shift) with a shorter
// range reduction.
LCKV_CPU_BEGIN

inline constexpr float kLog2E = 0x1.715476p+0f;
inline constexpr float kLn2 = 0x1.62e43p-1f;

/// 2^x for x < 128, within 1.5 ulp; below 2^-126 it gives 2^-126, which is nothing beside the
/// largest weight of a row, 1. NaN stays NaN. Half the instructions of exp_fast, and the larger
/// part of attention's time outside of the products.
inline float exp2_weight(float x) {
  x = x < -126.0f ? -126.0f : x;
  // Adding 1.5 * 2^23 rounds to an integer in the low bits; with 127 more these are the exponent of
  // the result.
  constexpr float kRound = 12582912.0f + 127.0f;
  const float shifted = x + kRound;
  const float r = x - (shifted - kRound);
  // 2^r, |r| <= 1/2, interpolated at the Chebyshev nodes: 0.3 * 2^-24.
  float p = 0x1.444p-13f;
  p = p * r + 0x1.5f48cp-10f;
  p = p * r + 0x1.3b2a1cp-7f;
  p = p * r + 0x1.c6aeccp-5f;
  p = p * r + 0x1.ebfbep-3f;
  p = p * r + 0x1.62e43p-1f;
  p = p * r + 1.0f;
  return p * std::bit_cast<float>(std::bit_cast<uint32_t>(shifted) << 23);
}

/// Rounded to the type of the products: to nearest, ties away from zero, for there are billions of
/// these.
template <class C>
C to_product(float value) {
  if constexpr (std::is_same_v<C, BFloat16>) {
    BFloat16 result;
    result.bits = static_cast<uint16_t>((std::bit_cast<uint32_t>(value) + 0x8000u) >> 16);
    return result;
  } else {
    return value;
  }
}

// Rows are cut at multiples of this: a remainder in scalar code would take as long as the rest of
// the row.
inline constexpr int64_t kLanes = 32;

// The two loops below stay functions of their own: inlined into one another their running values
// leave the registers.
[[gnu::noinline]] inline float row_max(const float* x, int64_t count) {
  float largest = -std::numeric_limits<float>::infinity();
#pragma omp simd reduction(max : largest)
  for (int64_t i = 0; i < count; ++i) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

/// Adds in a tree: one after the other takes as long as a short row.
inline float sum_of_lanes(float (&lanes)[kLanes]) {
  for (int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (int64_t lane = 0; lane < half; ++lane) lanes[lane] += lanes[lane + half];
  }
  return lanes[0];
}

template <class T>
float row_dot(const T* x, const T* y, int64_t count) {
  float sums[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      sums[lane] += to_acc(x[i + lane]) * to_acc(y[i + lane]);
    }
  }
  for (; i < count; ++i) sums[i % kLanes] += to_acc(x[i]) * to_acc(y[i]);
  return sum_of_lanes(sums);
}

/// w = 2^(scale_log2 * s - shift_log2), rounded to C; returns the sum of the unrounded. `count` is
/// a multiple of kLanes; w may be s.
template <class C>
[[gnu::noinline]] float weigh_scores(C* w, const float* s, int64_t count, float scale_log2,
                                     float shift_log2) {
  float sums[kLanes] = {};
  for (int64_t i = 0; i < count; i += kLanes) {
#pragma omp simd
    for (int64_t lane = 0; lane < kLanes; ++lane) {
      const float weight = exp2_weight(s[i + lane] * scale_log2 - shift_log2);
      sums[lane] += weight;
      w[i + lane] = to_product<C>(weight);
    }
  }
  return sum_of_lanes(sums);
}

/// Softmax of one row whose scores arrive in pieces: what was summed so far is relative to the
/// largest score so far.
struct OnlineSoftmax {
  float largest_log2 = -std::numeric_limits<float>::infinity();  // times scale_log2
  float sum = 0.0f;

  /// Weights of the next n scores, a multiple of kLanes: those of keys begin .. end-1, at least
  /// one; 0 for the others, whose scores are lost. Returns what earlier sums must be multiplied
  /// with.
  template <class C>
  float add(C* w, float* s, int64_t n, int64_t begin, int64_t end, float scale_log2) {
    const int64_t first = begin / kLanes * kLanes;
    const int64_t last = (end + kLanes - 1) / kLanes * kLanes;
    std::fill(s + first, s + begin, -std::numeric_limits<float>::infinity());
    std::fill(s + end, s + last, -std::numeric_limits<float>::infinity());
    const float found = scale_log2 * row_max(s + first, last - first);
    const float before = largest_log2;
    largest_log2 = found > before ? found : before;
    const float keep = exp2_weight(before - largest_log2);
    sum = sum * keep + weigh_scores(w + first, s + first, last - first, scale_log2, largest_log2);
    std::fill(w, w + begin, C{});
    std::fill(w + end, w + n, C{});
    return keep;
  }

  float log_sum_exp() const { return largest_log2 * kLn2 + std::log(sum); }
};

/// The backward pass of one key's row of `rows` queries: w = 2^(scale_log2 * s - lse_log2), ds = w
/// * (dp - delta).
template <class C>
void weigh_gradients(C* w, C* ds, const float* s, const float* dp, const float* lse_log2,
                     const float* delta, int64_t rows, float scale_log2) {
#pragma omp simd
  for (int64_t r = 0; r < rows; ++r) {
    const float weight = exp2_weight(s[r] * scale_log2 - lse_log2[r]);
    const float gradient = weight * (dp[r] - delta[r]);
    w[r] = to_product<C>(weight);
    ds[r] = to_product<C>(gradient);
  }
}

/// The same where only the queries with begin <= key < end see the key: both are 0 for the others.
template <class C>
void weigh_masked_gradients(C* w, C* ds, const float* s, const float* dp, const float* lse_log2,
                            const float* delta, const int32_t* begin, const int32_t* end,
                            int32_t key, int64_t rows, float scale_log2) {
#pragma omp simd
  for (int64_t r = 0; r < rows; ++r) {
    const bool visible = (key >= begin[r]) & (key < end[r]);
    const float weight = exp2_weight(s[r] * scale_log2 - lse_log2[r]);
    const float gradient = weight * (dp[r] - delta[r]);
    w[r] = to_product<C>(visible ? weight : 0.0f);
    ds[r] = to_product<C>(visible ? gradient : 0.0f);
  }
}

LCKV_CPU_END
