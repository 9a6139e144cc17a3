#include "lckv/train/zero1.h"

#include <algorithm>
#include <cmath>

#include "lckv/kernels/ops/reduce.h"
#include "lckv/tensor/transfer.h"

namespace lckv::train {

Zero1::Zero1(Arena& arena, const model::ParameterTable& table, const comm::Communicators& ranks)
    : ranks_(ranks),
      squares_(arena.take("optimizer", "own_squares", DType::kF64,
                          {static_cast<int64_t>(table.buckets.size())})) {}

void Zero1::start_reduce(Stream& stream, const model::ParameterSet& gradients, int bucket) {
  const View whole = gradients.buckets()[static_cast<size_t>(bucket)];
  const View own = model::owned_part(whole, gradients.table(), ranks_.grid.dp_rank());
  if (ranks_.grid.dp > 1) {
    ops::sum_of_squares(stream, squares_.slice(0, bucket, bucket + 1), whole,
                        ops::GradMode::kOverwrite);
  }
  reducing_.push_back(ranks_.dp->start_reduce_scatter(stream, own, whole, "dp gradients"));
}

bool Zero1::contribution_is_finite(Stream& stream) const {
  const Buffer host = to_host(stream, squares_);
  const auto* squares = host.view().data<double>();
  return std::all_of(squares, squares + squares_.numel(),
                     [](double x) { return std::isfinite(x); });
}

void Zero1::start_gather(Stream& stream, const model::ParameterSet& weights, int bucket) {
  const View whole = weights.buckets()[static_cast<size_t>(bucket)];
  const View own = model::owned_part(whole, weights.table(), ranks_.grid.dp_rank());
  gathering_.push_back(ranks_.dp->start_all_gather(stream, whole, own, "dp weights"));
}

void Zero1::finish(std::vector<comm::Pending>& pending) {
  for (comm::Pending& one : pending) one.finish();
  pending.clear();
}

}  // namespace lckv::train
