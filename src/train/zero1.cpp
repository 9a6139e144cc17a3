#include "lckv/train/zero1.h"

namespace lckv::train {

void Zero1::start_reduce(Stream& stream, const model::ParameterSet& gradients, int bucket) {
  const View whole = gradients.buckets()[static_cast<size_t>(bucket)];
  const View own = model::owned_part(whole, gradients.table(), ranks_.grid.dp_rank());
  reducing_.push_back(ranks_.dp->start_reduce_scatter(stream, own, whole, "dp gradients"));
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
