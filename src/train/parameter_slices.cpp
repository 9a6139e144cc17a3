#include "lckv/train/parameter_slices.h"

#include "lckv/kernels/ops/copy.h"
#include "lckv/tensor/buffer.h"

namespace lckv::train {

checkpoint::Slice slice_of(const model::Parameter& parameter) {
  checkpoint::Slice slice = checkpoint::Slice::whole(parameter.shape);
  const auto axis = static_cast<size_t>(parameter.axis);
  slice.begin[axis] = parameter.begin;
  slice.end[axis] = parameter.begin + parameter.extent;
  return slice;
}

View real_part(const model::Parameter& parameter, const View& local) {
  return local.slice(parameter.axis, 0, parameter.extent);
}

WholeTensors::WholeTensors(const config::ModelConfig& config, const comm::Communicators& ranks)
    : ranks_(ranks) {
  for (int r = 0; r < ranks.grid.tp; ++r) {
    tables_.push_back(model::make_parameter_table(config, {ranks.grid.tp, r, ranks.grid.dp}));
  }
}

void WholeTensors::gather(Stream& stream, const std::vector<View>& owned, const Take& take) const {
  const model::ParameterTable& table = tables_[static_cast<size_t>(ranks_.grid.tp_rank())];
  for (size_t b = 0; b < owned.size(); ++b) {
    const bool owns_all = ranks_.grid.dp == 1;
    const Buffer memory(
        owns_all ? Buffer()
                 : Buffer(owned[b].dtype(), {table.buckets[b].elems}, owned[b].device()));
    const View bucket = owns_all ? owned[b] : memory.view();
    if (!owns_all) ranks_.dp->all_gather(stream, bucket, owned[b], "gather tensors");
    if (ranks_.grid.dp_rank() != 0) {
      stream.synchronize();  // before the memory goes
      continue;
    }
    for (size_t p = 0; p < table.parameters.size(); ++p) {
      const model::Parameter& parameter = table.parameters[p];
      if (table.storage_of(parameter).bucket != static_cast<int>(b)) continue;
      gather_parameter(stream, p, model::cut_parameter(bucket, table, parameter), take);
    }
  }
}

void WholeTensors::gather_parameter(Stream& stream, size_t index, ConstView local,
                                    const Take& take) const {
  const int tp = ranks_.grid.tp;
  const model::Parameter& own =
      tables_[static_cast<size_t>(ranks_.grid.tp_rank())].parameters[index];
  if (tp == 1) {
    stream.synchronize();
    take(own, local);
    return;
  }
  const Buffer parts(local.dtype(), {tp * local.numel()}, local.device());
  ranks_.tp->all_gather(stream, parts.view(), local.reshape({local.numel()}), "gather tensors");
  if (ranks_.grid.rank != 0) {
    stream.synchronize();
    return;
  }
  const Buffer whole(local.dtype(), own.shape, local.device());
  for (int r = 0; r < tp; ++r) {
    const model::Parameter& p = tables_[static_cast<size_t>(r)].parameters[index];
    if (!p.counts_here || p.extent == 0) continue;
    const View part =
        parts.view().slice(0, r * local.numel(), (r + 1) * local.numel()).reshape(p.local);
    ops::copy(stream, whole.view().slice(p.axis, p.begin, p.begin + p.extent), real_part(p, part));
  }
  stream.synchronize();
  take(own, whole.view());
}

}  // namespace lckv::train
