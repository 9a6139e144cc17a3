#include "lckv/kernels/cpu/per_isa/cross_entropy_row.h"
#include "lckv/kernels/cpu/per_isa/parallel.h"

LCKV_CPU_BEGIN
namespace {

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
                                    ConstView targets, ConstView scale) {
  const int64_t V = logits.dim(1);
  const double factor = scale.data<double>()[0];
  with_float_type(dlogits.dtype(), [&](auto tag) {
    using D = typename decltype(tag)::type;
    using T = AccumulatorOf<D>;
    T* const nll_data = nll.data<T>();
    D* const dlogits_data = dlogits.data<D>();
    const T* const logits_data = logits.data<T>();
    const int32_t* const target_of = targets.data<int32_t>();
    parallel_ranges(logits.dim(0), logits.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        nll_data[n] = forward_backward_row(dlogits_data + n * V, logits_data + n * V, target_of[n],
                                           factor, V);
      }
    });
  });
}

LCKV_CPU_END
