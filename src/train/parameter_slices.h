#pragma once

#include <functional>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/comm/communicators.h"
#include "lckv/model/parameter_set.h"

namespace lckv::train {

/// Where a rank's part of a parameter lies in the whole tensor; padding rows are outside of it.
checkpoint::Slice slice_of(const model::Parameter& parameter);
/// `local` without padding rows.
View real_part(const model::Parameter& parameter, const View& local);

/// Puts the ranks' parts of a model's tensors together.
class WholeTensors {
 public:
  WholeTensors(const config::ModelConfig& config, const comm::Communicators& ranks);

  /// Called on rank 0 alone, once per parameter in the order of the table, with the whole tensor;
  /// the memory is valid during the call.
  using Take = std::function<void(const model::Parameter& parameter, ConstView whole)>;

  /// From what each rank owns of every bucket (model/parameter_set.h), flat. Collective over the
  /// grid.
  void gather(Stream& stream, const std::vector<View>& owned, const Take& take) const;

 private:
  void gather_parameter(Stream& stream, size_t index, ConstView local, const Take& take) const;

  const comm::Communicators& ranks_;
  std::vector<model::ParameterTable> tables_;  // by tp rank
};

}  // namespace lckv::train
