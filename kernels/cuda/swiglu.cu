#include "lckv/kernels/cuda/kernels.h"
#include "lckv/kernels/cuda/vectors.cuh"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;

/// 1 / (1 + e^-x). The fast division errs by 2 ulp and gives 0 for x below -87, where the value is
/// less than 2^-126; it gives 0 for x = -inf too, as it should.
__device__ inline float sigmoid(float x) { return __fdividef(1.0f, 1.0f + expf(-x)); }
__device__ inline double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }

/// Vector `item` of act [N, F] and its two of gate_up [N, 2F], as numbers of elements.
struct Place {
  int64_t act, gate, up;
};

template <int kCount>
__device__ inline Place place_of(int64_t item, int64_t F) {
  const RowColumn at = row_column(item, F / kCount);
  const int64_t gate = at.row * 2 * F + at.column * kCount;
  return {item * kCount, gate, gate + F};
}

template <int kCount, class T>
__global__ __launch_bounds__(kThreads) void forward_kernel(T* act, const T* gate_up, int64_t F,
                                                           int64_t items) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= items) return;
  const Place at = place_of<kCount>(item, F);
  const auto gates = load_vector<kCount>(gate_up + at.gate);
  const auto ups = load_vector<kCount>(gate_up + at.up);
  Vector<T, kCount> result;
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const auto gate = widen(gates[i]);
    result[i] = narrow<T>(gate * sigmoid(gate) * widen(ups[i]));
  }
  store_vector(act + at.act, result);
}

/// dgate_up may be gate_up: a thread reads its elements before it writes them.
template <int kCount, class T>
__global__ __launch_bounds__(kThreads) void backward_kernel(T* dgate_up, const T* dact,
                                                            const T* gate_up, int64_t F,
                                                            int64_t items) {
  const int64_t item = int64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (item >= items) return;
  const Place at = place_of<kCount>(item, F);
  auto gates = load_vector<kCount>(gate_up + at.gate);
  auto ups = load_vector<kCount>(gate_up + at.up);
  const auto dacts = load_vector<kCount>(dact + at.act);
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    const auto gate = widen(gates[i]);
    const auto up = widen(ups[i]);
    const auto d = widen(dacts[i]);
    const auto s = sigmoid(gate);
    gates[i] = narrow<T>(d * up * s * (1 + gate * (1 - s)));
    ups[i] = narrow<T>(d * (gate * s));
  }
  store_vector(dgate_up + at.gate, gates);
  store_vector(dgate_up + at.up, ups);
}

}  // namespace

void swiglu_forward(Stream& stream, View act, ConstView gate_up) {
  if (act.numel() == 0) return;
  with_device_type(act.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWide = kWidth<T>;
    T* const to = device_data<T>(act);
    const T* const from = device_data<T>(gate_up);
    const int64_t F = act.dim(1);
    with_width<kWide>(fits_vectors<kWide>(to, F) && fits_vectors<kWide>(from), [&](auto width) {
      constexpr int kCount = decltype(width)::value;
      const int64_t items = act.numel() / kCount;
      forward_kernel<kCount>
          <<<blocks_of(items, kThreads), kThreads, 0, native(stream)>>>(to, from, F, items);
      check_launch("swiglu_forward");
    });
  });
}

void swiglu_backward(Stream& stream, View dgate_up, ConstView dact, ConstView gate_up) {
  if (dact.numel() == 0) return;
  with_device_type(dact.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    constexpr int kWide = kWidth<T>;
    T* const to = device_data<T>(dgate_up);
    const T* const d = device_data<T>(dact);
    const T* const from = device_data<T>(gate_up);
    const int64_t F = dact.dim(1);
    const bool wide =
        fits_vectors<kWide>(to, F) && fits_vectors<kWide>(d) && fits_vectors<kWide>(from);
    with_width<kWide>(wide, [&](auto width) {
      constexpr int kCount = decltype(width)::value;
      const int64_t items = dact.numel() / kCount;
      backward_kernel<kCount>
          <<<blocks_of(items, kThreads), kThreads, 0, native(stream)>>>(to, d, from, F, items);
      check_launch("swiglu_backward");
    });
  });
}

}  // namespace lckv::ops::cuda
