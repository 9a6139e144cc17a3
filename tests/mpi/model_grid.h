#pragma once

#include "lckv/comm/communicators.h"
#include "lckv/model/dims.h"
#include "lckv/mpi_test/world.h"

// Groups of all ranks of this program that share a model. For programs that link one.

namespace lckv::test {

inline int kv_sharers(const config::ModelConfig& config, int tensor) {
  model::Dims dims = model::make_dims(config, 1, 1);
  dims.tp = tensor;
  return static_cast<int>(dims.kv_sharers());
}

/// The grid of this tensor extent. Collective over the world.
inline comm::Communicators join_grid(const config::ModelConfig& config, int tensor) {
  return comm::make_communicators(world(),
                                  comm::make_grid(world().size(), world().rank(), tensor, 0),
                                  kv_sharers(config, tensor));
}

/// Each copy of that grid as a grid of its own. Collective over the world.
inline comm::Communicators join_one_copy(const config::ModelConfig& config, int tensor) {
  const int rank = world().rank(), copy = rank / tensor;
  comm::Communicators ranks;
  ranks.grid = {.dp = 1, .tp = tensor, .rank = rank % tensor};
  ranks.world = world().split("copy", copy);
  ranks.dp = comm::make_alone("dp");
  ranks.tp = world().split("tp", copy);
  ranks.kv = world().split("kv", rank / kv_sharers(config, tensor));
  return ranks;
}

}  // namespace lckv::test
