#pragma once

#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"
#include "lckv/model/parameter_set.h"

namespace lckv::cli {

/// Ranks of one copy of a model multiply with parts of one matrix, copies take each other's turns:
/// all with the same kernels and weights. Collective; throws AgreedError naming those that differ.
/// In a world of one nothing is looked at.
void require_equal_ranks(comm::World& world, const comm::Communicators& ranks,
                         const model::ParameterSet& weights);

}  // namespace lckv::cli
