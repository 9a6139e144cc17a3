#pragma once

#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/kernels/cpu/per_isa/vector_math.h"

// One row of logits: its normalizer, its loss and its gradient.
LCKV_CPU_BEGIN

/// Of one row of logits: sum_v exp(logits[v] - shift), shift = max_v.
template <class T>
struct Normalizer {
  T shift;
  double sum;
};

template <class T>
T largest(const T* x, int64_t count) {
  T result = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : result)
  for (int64_t i = 0; i < count; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

template <class T>
T sum_exp(const T* x, T shift, int64_t count) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t i = 0; i < count; ++i) sum += exp_fast(x[i] - shift);
  return sum;
}

/// One pass over the row, in blocks that stay in the first-level cache between their maximum and
/// their sum.
template <class T>
Normalizer<T> normalizer(const T* row, int64_t V) {
  constexpr int64_t kBlock = 2048;
  // Finite, so that masked logits (-inf) ahead of all others do not make inf - inf.
  Normalizer<T> total{std::numeric_limits<T>::lowest(), 0};
  for (int64_t begin = 0; begin < V; begin += kBlock) {
    const int64_t count = std::min(kBlock, V - begin);
    const T shift = largest(row + begin, count);
    if (shift > total.shift) {
      total.sum *= std::exp(static_cast<double>(total.shift) - static_cast<double>(shift));
      total.shift = shift;
    }
    total.sum += static_cast<double>(sum_exp(row + begin, total.shift, count));
  }
  return total;
}

template <class T>
T nll_of(const Normalizer<T>& total, T target_logit) {
  return static_cast<T>(std::log(total.sum) +
                        (static_cast<double>(total.shift) - static_cast<double>(target_logit)));
}

/// The target of a row whose target is in another part of the vocabulary.
inline constexpr int64_t kNoColumn = -1;

/// dlogits may be logits: each element is read before it is written. `target` is a column or
/// kNoColumn.
template <class D, class T>
void gradient_row(D* dlogits, const T* logits, const Normalizer<T>& total, int64_t target,
                  double scale, int64_t V) {
  const T shift = total.shift;
  // Before the row is overwritten.
  const T target_logit = target == kNoColumn ? shift : logits[target];
  const T factor = static_cast<T>(scale / total.sum);
#pragma omp simd
  for (int64_t v = 0; v < V; ++v) {
    dlogits[v] = from_acc<D>(factor * exp_fast(logits[v] - shift));
  }
  if (target == kNoColumn) return;
  // p - 1 in double: exact where the model is sure of the target.
  const double p =
      std::exp(static_cast<double>(target_logit) - static_cast<double>(shift)) / total.sum;
  dlogits[target] = from_acc<D>(static_cast<T>(scale * (p - 1)));
}

LCKV_CPU_END
