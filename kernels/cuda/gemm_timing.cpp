#include "lckv/kernels/cuda/gemm_timing.h"

#include "lckv/tensor/buffer.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv::ops::cuda {

namespace {

constexpr int kWarmUps = 2;
constexpr int kRuns = 10;

/// Of all runs; none when cuBLASLt refuses the algorithm after all.
std::optional<double> time_ms(const GemmPlan& plan, const GemmAlgorithm& algorithm, Stream& stream,
                              const GemmOperands& at) {
  for (int run = 0; run < kWarmUps; ++run) {
    if (!plan.try_run(stream, at, algorithm)) return std::nullopt;
  }
  Event begin(stream.device()), end(stream.device());
  begin.record(stream);
  for (int run = 0; run < kRuns; ++run) {
    if (!plan.try_run(stream, at, algorithm)) return std::nullopt;
  }
  end.record(stream);
  end.synchronize();
  return Event::elapsed_ms(begin, end);
}

/// C with the gaps between its rows.
Buffer copy_of_c(Stream& stream, const GemmKey& key, const GemmOperands& at) {
  const int64_t elems = (key.rows - 1) * key.c_stride + key.cols;
  Buffer copy(elems * size_bytes(key.out), stream.device());
  lckv::cuda::copy(stream.native(), copy.raw(), at.c, copy.bytes());
  return copy;
}

}  // namespace

std::optional<GemmAlgorithm> fastest_of(const GemmPlan& plan,
                                        const std::vector<GemmAlgorithm>& algorithms,
                                        Stream& stream, const GemmKey& key, GemmOperands at) {
  if (algorithms.size() == 1) return algorithms.front();
  Buffer copy;
  if (key.added == GemmAdded::kOutput) {
    copy = copy_of_c(stream, key, at);
    at.c = copy.raw();
    at.added = copy.raw();
  }
  std::optional<GemmAlgorithm> fastest;
  double least_ms = 0;
  for (const GemmAlgorithm& algorithm : algorithms) {
    const std::optional<double> ms = time_ms(plan, algorithm, stream, at);
    if (!ms || (fastest && *ms >= least_ms)) continue;
    fastest = algorithm;
    least_ms = *ms;
  }
  stream.synchronize();  // before the copy goes
  return fastest;
}

}  // namespace lckv::ops::cuda
