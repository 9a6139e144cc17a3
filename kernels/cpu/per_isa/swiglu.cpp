#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

template <class T>
void forward_row(T* __restrict act, const T* gate_up, int64_t F) {
#pragma omp simd
  for (int64_t f = 0; f < F; ++f) {
    const auto gate = to_acc(gate_up[f]);
    const auto up = to_acc(gate_up[f + F]);
    act[f] = from_acc<T>(gate / (1 + exp_fast(-gate)) * up);
  }
}

// dgate_up may be gate_up: each element is read before it is written.
template <class T>
void backward_row(T* dgate_up, const T* dact, const T* gate_up, int64_t F) {
#pragma omp simd
  for (int64_t f = 0; f < F; ++f) {
    const auto gate = to_acc(gate_up[f]);
    const auto up = to_acc(gate_up[f + F]);
    const auto d = to_acc(dact[f]);
    const auto s = 1 / (1 + exp_fast(-gate));
    dgate_up[f] = from_acc<T>(d * up * s * (1 + gate * (1 - s)));
    dgate_up[f + F] = from_acc<T>(d * (gate * s));
  }
}

}  // namespace

void swiglu_forward(Stream&, View act, ConstView gate_up) {
  const int64_t F = act.dim(1);
  with_float_type(act.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* const act_data = act.data<T>();
    const T* const gate_up_data = gate_up.data<T>();
    parallel_ranges(act.dim(0), act.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        forward_row(act_data + n * F, gate_up_data + n * 2 * F, F);
      }
    });
  });
}

void swiglu_backward(Stream&, View dgate_up, ConstView dact, ConstView gate_up) {
  const int64_t F = dact.dim(1);
  with_float_type(dact.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    T* const dgate_up_data = dgate_up.data<T>();
    const T* const dact_data = dact.data<T>();
    const T* const gate_up_data = gate_up.data<T>();
    parallel_ranges(dact.dim(0), dact.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        backward_row(dgate_up_data + n * 2 * F, dact_data + n * F, gate_up_data + n * 2 * F, F);
      }
    });
  });
}

LCKV_CPU_END
