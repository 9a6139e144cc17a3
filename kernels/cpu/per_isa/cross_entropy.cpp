#include <cmath>
#include <limits>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

// Of one row of logits: sum_v exp(logits[v] - shift), shift = max_v.
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

// One pass over the row, in blocks that stay in the first-level cache between their maximum and
// their sum.
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

// dlogits may be logits: each element is read before it is written.
template <class D, class T>
void gradient_row(D* dlogits, const T* logits, const Normalizer<T>& total, int32_t target,
                  double scale, int64_t V) {
  // Before the row is overwritten. p - 1 in double: exact where the model is sure of the target.
  const double p =
      std::exp(static_cast<double>(logits[target]) - static_cast<double>(total.shift)) / total.sum;
  const T shift = total.shift;
  const T factor = static_cast<T>(scale / total.sum);
#pragma omp simd
  for (int64_t v = 0; v < V; ++v) {
    dlogits[v] = from_acc<D>(factor * exp_fast(logits[v] - shift));
  }
  dlogits[target] = from_acc<D>(static_cast<T>(scale * (p - 1)));
}

template <class D, class T>
T forward_backward_row(D* dlogits, const T* logits, int32_t target, double scale, int64_t V) {
  if (target == kIgnoreTarget) {
    std::fill(dlogits, dlogits + V, D{});
    return 0;
  }
  const Normalizer<T> total = normalizer(logits, V);
  const T nll = nll_of(total, logits[target]);
  gradient_row(dlogits, logits, total, target, scale, V);
  return nll;
}

}  // namespace

void cross_entropy_forward(Stream&, View nll, ConstView logits, ConstView targets) {
  const int64_t V = logits.dim(1);
  with_float_type(logits.dtype(), [&](auto tag) {
    using T = AccumulatorOf<typename decltype(tag)::type>;
    T* const nll_data = nll.data<T>();
    const T* const logits_data = logits.data<T>();
    const int32_t* const target_of = targets.data<int32_t>();
    parallel_ranges(logits.dim(0), logits.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const T* row = logits_data + n * V;
        const int32_t target = target_of[n];
        const bool scored = target != kIgnoreTarget;
        nll_data[n] = scored ? nll_of(normalizer(row, V), row[target]) : T{0};
      }
    });
  });
}

void cross_entropy_forward_backward(Stream&, View nll, View dlogits, ConstView logits,
                                    ConstView targets, double scale) {
  const int64_t V = logits.dim(1);
  with_float_type(dlogits.dtype(), [&](auto tag) {
    using D = typename decltype(tag)::type;
    using T = AccumulatorOf<D>;
    T* const nll_data = nll.data<T>();
    D* const dlogits_data = dlogits.data<D>();
    const T* const logits_data = logits.data<T>();
    const int32_t* const target_of = targets.data<int32_t>();
    parallel_ranges(logits.dim(0), logits.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        nll_data[n] =
            forward_backward_row(dlogits_data + n * V, logits_data + n * V, target_of[n], scale, V);
      }
    });
  });
}

LCKV_CPU_END
