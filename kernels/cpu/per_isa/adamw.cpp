#include <cmath>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

// The step's scalars, computed once in double.
template <class A>
struct Factors {
  explicit Factors(const AdamWStep& step, A grad_scale_in)
      : grad_scale(grad_scale_in),
        beta1(static_cast<A>(step.beta1)),
        beta2(static_cast<A>(step.beta2)),
        one_minus_beta1(static_cast<A>(1 - step.beta1)),
        one_minus_beta2(static_cast<A>(1 - step.beta2)),
        m_correction(correction(step.beta1, step.step)),
        v_correction(correction(step.beta2, step.step)),
        eps(static_cast<A>(step.eps)),
        lr(static_cast<A>(step.lr)),
        decay(static_cast<A>(step.lr * step.weight_decay)) {}

  static A correction(double beta, int64_t step) {
    return static_cast<A>(1 / (1 - std::pow(beta, static_cast<double>(step))));
  }

  A grad_scale, beta1, beta2, one_minus_beta1, one_minus_beta2, m_correction, v_correction, eps, lr,
      decay;
};

template <class T, class A>
void update(T* w, A* master, A* __restrict m, A* __restrict v, const A* __restrict g,
            const Factors<A>& factors, int64_t begin, int64_t end) {
  const Factors<A> f = factors;
#pragma omp simd
  for (int64_t i = begin; i < end; ++i) {
    const A gradient = g[i] * f.grad_scale;
    const A m_new = f.beta1 * m[i] + f.one_minus_beta1 * gradient;
    const A v_new = f.beta2 * v[i] + f.one_minus_beta2 * gradient * gradient;
    const A direction = m_new * f.m_correction / (std::sqrt(v_new * f.v_correction) + f.eps);
    // Decay and step are subtracted together: the weight is rounded once.
    const A master_new = master[i] - (f.decay * master[i] + f.lr * direction);
    m[i] = m_new;
    v[i] = v_new;
    master[i] = master_new;
    if constexpr (std::is_same_v<T, BFloat16>) w[i] = from_acc<T>(master_new);
  }
}

}  // namespace

void adamw_update(Stream&, View w, View master, View m, View v, ConstView g, ConstView grad_scale,
                  const AdamWStep& step) {
  with_float_type(w.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = AccumulatorOf<T>;
    const Factors<A> factors(step, grad_scale.data<A>()[0]);
    parallel_elements(w.numel(), [&](int64_t begin, int64_t end) {
      update(w.data<T>(), master.data<A>(), m.data<A>(), v.data<A>(), g.data<A>(), factors, begin,
             end);
    });
  });
}

LCKV_CPU_END
