#include <cmath>

#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;

/// The step's scalars, computed once in double.
template <class A>
struct Factors {
  explicit Factors(const AdamWStep& step)
      : beta1(static_cast<A>(step.beta1)),
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

  A beta1, beta2, one_minus_beta1, one_minus_beta2, m_correction, v_correction, eps, lr, decay;
};

template <class A>
__device__ inline void update(A& master, A& m, A& v, A gradient, const Factors<A>& f) {
  m = f.beta1 * m + f.one_minus_beta1 * gradient;
  v = f.beta2 * v + f.one_minus_beta2 * gradient * gradient;
  const A direction = m * f.m_correction / (sqrt(v * f.v_correction) + f.eps);
  // Decay and step are subtracted together: the weight is rounded once.
  master = master - (f.decay * master + f.lr * direction);
}

template <class T>
struct State {
  T* w;  // written for bf16 alone: else it is master
  Acc<T>*master, *m, *v;
  const Acc<T>*g, *grad_scale;

  State from(int64_t begin) const {
    return {w + begin, master + begin, m + begin, v + begin, g + begin, grad_scale};
  }
  template <int kCount>
  bool fits() const {
    return fits_vectors<kCount>(w) && fits_vectors<kCount>(master) && fits_vectors<kCount>(m) &&
           fits_vectors<kCount>(v) && fits_vectors<kCount>(g);
  }
};

/// One vector per thread: its four loads are under way together.
template <int kCount, class T>
__global__ __launch_bounds__(kThreads) void adamw_kernel(State<T> state, Factors<Acc<T>> factors,
                                                         int64_t vectors) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= vectors) return;
  const int64_t at = item * kCount;
  auto g = load_vector<kCount>(state.g + at);
  auto m = load_vector<kCount>(state.m + at);
  auto v = load_vector<kCount>(state.v + at);
  auto master = load_vector<kCount>(state.master + at);
  const Acc<T> grad_scale = *state.grad_scale;
#pragma unroll
  for (int i = 0; i < kCount; ++i) update(master[i], m[i], v[i], g[i] * grad_scale, factors);
  store_vector(state.m + at, m);
  store_vector(state.v + at, v);
  store_vector(state.master + at, master);
  if constexpr (std::is_same_v<T, __nv_bfloat16>) {
    Vector<T, kCount> w;
#pragma unroll
    for (int i = 0; i < kCount; ++i) w[i] = narrow<T>(master[i]);
    store_vector(state.w + at, w);
  }
}

}  // namespace

void adamw_update(Stream& stream, View w, View master, View m, View v, ConstView g,
                  ConstView grad_scale, const AdamWStep& step) {
  with_device_type(w.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = Acc<T>;
    constexpr int kWide = kWidth<A>;
    const State<T> state{device_data<T>(w), device_data<A>(master), device_data<A>(m),
                         device_data<A>(v), device_data<A>(g),      device_data<A>(grad_scale)};
    const Factors<A> factors(step);
    with_widths<kWide>(
        state.template fits<kWide>(), w.numel(), [&](auto width, int64_t begin, int64_t end) {
          constexpr int kCount = decltype(width)::value;
          const int64_t vectors = (end - begin) / kCount;
          adamw_kernel<kCount><<<blocks_of(vectors, kThreads), kThreads, 0, native(stream)>>>(
              state.from(begin), factors, vectors);
          check_launch("adamw_update");
        });
  });
}

}  // namespace lckv::ops::cuda
