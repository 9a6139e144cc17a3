#include "lckv/model/tensor_parallel.h"

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::model {

namespace {

View flat(const View& view) { return view.reshape({view.numel()}); }

}  // namespace

TensorParallel::TensorParallel(comm::Communicator& group, const Dims& dims)
    : group_(group), sequence_parallel_(dims.sequence_parallel && dims.tp > 1) {
  LCKV_CHECK(group.size() == dims.tp,
             format("a copy of {} ranks in a group of {}", dims.tp, group.size()));
}

View TensorParallel::own_rows(const View& whole) const {
  if (!sequence_parallel_) return whole;
  const int64_t rows = whole.dim(0) / group_.size();
  return whole.slice(0, group_.rank() * rows, (group_.rank() + 1) * rows);
}

void TensorParallel::gather_rows(Stream& stream, const View& whole, const char* label) const {
  if (!sequence_parallel_) return;
  group_.all_gather(stream, flat(whole), flat(own_rows(whole)), label);
}

void TensorParallel::sum_partials(Stream& stream, const View& partial, const char* label) const {
  if (sequence_parallel_) {
    group_.reduce_scatter(stream, flat(own_rows(partial)), flat(partial), label);
  } else {
    group_.all_reduce(stream, partial, comm::ReduceOp::kSum, label);
  }
}

}  // namespace lckv::model
