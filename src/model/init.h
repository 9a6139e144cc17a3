#pragma once

#include "lckv/comm/communicator.h"
#include "lckv/model/parameter_set.h"

namespace lckv::model {

/// Fills this rank's part of one parameter, in host memory, with the initial weights of
/// spec/lckv.md section 8: matrices N(0, initializer_range), norm gains 1, the pad row 0 when a pad
/// id is set, padding 0. Element i of the whole tensor is a pure function of (seed, name, i),
/// rounded once to the dtype: bit-equal on every grid and thread count.
void initialize(const Parameter& parameter, View local, const config::ModelConfig& config,
                uint64_t seed);
/// Every parameter of a set.
void initialize(const ParameterSet& weights, const config::ModelConfig& config, uint64_t seed);

/// Hash over names, indices and elements of the whole model: equal weights have equal hashes on
/// every grid. Printed at step 0. Collective over the ranks that share a copy.
uint64_t content_hash(Stream& stream, const ParameterSet& set, comm::Communicator& tp);

}  // namespace lckv::model
