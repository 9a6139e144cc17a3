#include "lckv/train/memory_rate.h"

#include <algorithm>
#include <functional>

#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"
#include "lckv/train/repeated_runs.h"

namespace lckv::train {

double measure_memory_rate(Stream& stream, int64_t bytes, double budget_s) {
  const Shape elems{bytes / size_bytes(DType::kF32)};
  const Buffer from(DType::kF32, elems, stream.device()), to(DType::kF32, elems, stream.device());
  const Buffer total(DType::kF64, {1}, stream.device());
  const auto rate = [&](int64_t moved_bytes, const std::function<void(Stream&, int64_t)>& run) {
    return double(moved_bytes) / RepeatedRuns(stream, 1, run).measure(budget_s).min_s;
  };
  const int64_t size = from.view().bytes();
  return std::max(
      {rate(2 * size, [&](Stream& s, int64_t) { transfer(s, to.view(), from.view()); }),
       rate(2 * size, [&](Stream& s, int64_t) { ops::copy(s, to.view(), from.view()); }),
       rate(size, [&](Stream& s, int64_t) {
         ops::sum(s, total.view(), from.view(), ops::GradMode::kOverwrite);
       })});
}

}  // namespace lckv::train
