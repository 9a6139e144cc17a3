#pragma once

#include "lckv/model/parameter_set.h"

namespace lckv::model {

/// Fills host tensors with the initial weights of spec/lckv.md section 8: matrices N(0,
/// initializer_range), norm gains 1, the pad row 0 when a pad id is set. Element i of a tensor is a
/// pure function of (seed, name, i), rounded once to the dtype: bit-equal on every grid and thread
/// count.
void initialize(const ParameterSet& weights, const config::ModelConfig& config, uint64_t seed);

/// XXH3 over names and elements of a set: printed at step 0, equal runs have equal hashes.
uint64_t content_hash(const ParameterSet& set);

}  // namespace lckv::model
