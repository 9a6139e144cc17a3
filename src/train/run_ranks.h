#pragma once

#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"
#include "lckv/config/run.h"

namespace lckv::train {

/// The groups of the run's grid: its tensor and data extents over the ranks of the world.
/// Collective. Throws AgreedError (kConfig; ConfigError in a world of one) when configurations
/// differ, the ranks do not fit the grid, or the grid not the run.
///
///   device   where this rank computes
comm::Communicators join_grid(comm::World& world, const config::RunConfig& config,
                              Device device = {});

/// The same for a model that is only evaluated: all ranks not used by `tensor` are copies.
comm::Communicators join_grid(comm::World& world, const config::ModelConfig& model, int64_t tensor,
                              Device device = {});

/// A rank of a grid of `ranks` that exists on paper only. Throws ConfigError likewise.
comm::Communicators planned_grid(const config::RunConfig& config, int ranks, int rank);

/// Collective: throws AgreedError naming the ranks whose precision, kernels, training or validation
/// data differ from rank 0's.
void require_equal_runs(comm::World& world, const config::RunConfig& config);

}  // namespace lckv::train
