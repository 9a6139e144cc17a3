#include "lckv/train/gemm_rate.h"

#include <algorithm>

#include "lckv/base/clock.h"
#include "lckv/base/random.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/tensor/transfer.h"

namespace lckv::train {

namespace {

using model::Gemm;
using model::GemmKind;

/// Values of magnitude 1: zeros and denormals would run at another speed. A million of them, again
/// and again.
Buffer operand(DType dtype, const Shape& shape, Device device) {
  const int64_t drawn = std::min<int64_t>(shape.numel(), int64_t{1} << 20);
  const Buffer wide(DType::kF32, {drawn}), narrow(dtype, {drawn});
  auto* values = wide.view().data<float>();
  const CounterRng rng(1, 1);
  for (int64_t i = 0; i < drawn; ++i) {
    values[i] = static_cast<float>(rng.bits(static_cast<uint64_t>(i)) >> 40) * 0x1p-23f - 1.0f;
  }
  Stream host, stream(device);
  ops::copy(host, narrow.view(), wide.view());
  Buffer all(dtype, shape, device);
  const View flat = all.view().reshape({shape.numel()});
  for (int64_t begin = 0; begin < shape.numel(); begin += drawn) {
    const int64_t end = std::min(begin + drawn, shape.numel());
    transfer(stream, flat.slice(0, begin, end), narrow.view().slice(0, 0, end - begin));
  }
  stream.synchronize();
  return all;
}

/// Median seconds of one run of a shape.
double time_gemm(const Gemm& g, DType dtype, double budget_s, Device device) {
  const DType acc = accumulator(dtype);
  const Buffer x = operand(dtype, {g.rows, g.in}, device);
  const Buffer y = operand(dtype, {g.rows, g.out}, device);
  const Buffer w = operand(dtype, {g.out, g.in}, device);
  Buffer result(g.kind == GemmKind::kBackwardWeight || g.f32_result ? acc : dtype,
                g.kind == GemmKind::kForward         ? Shape{g.rows, g.out}
                : g.kind == GemmKind::kBackwardInput ? Shape{g.rows, g.in}
                                                     : Shape{g.out, g.in},
                device);
  Stream stream(device);
  const auto run = [&] {
    switch (g.kind) {
      case GemmKind::kForward:
        ops::matmul_forward(stream, result.view(), x.view(), w.view());
        break;
      case GemmKind::kBackwardInput:
        ops::matmul_backward_input(stream, result.view(), y.view(), w.view(),
                                   ops::GradMode::kOverwrite);
        break;
      case GemmKind::kBackwardWeight:
        ops::matmul_backward_weight(stream, result.view(), y.view(), x.view(),
                                    ops::GradMode::kAccumulate);
        break;
    }
    stream.synchronize();
  };
  run();
  std::vector<double> times;
  const Stopwatch total;
  while (times.size() < 3 || (total.elapsed_s() < budget_s && times.size() < 1000)) {
    const Stopwatch watch;
    run();
    times.push_back(watch.elapsed_s());
  }
  std::nth_element(times.begin(), times.begin() + static_cast<ptrdiff_t>(times.size() / 2),
                   times.end());
  return times[times.size() / 2];
}

}  // namespace

GemmRate measure_gemm_rate(const std::vector<Gemm>& gemms, DType dtype, double seconds,
                           Device device) {
  const Stopwatch total;
  double flops = 0, time_s = 0;
  for (const Gemm& g : gemms) {
    time_s += time_gemm(g, dtype, seconds / static_cast<double>(gemms.size()), device) *
              static_cast<double>(g.count);
    flops += g.flops();
  }
  return {time_s > 0 ? flops / time_s : 0, total.elapsed_s()};
}

}  // namespace lckv::train
