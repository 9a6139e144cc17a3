#pragma once

#include <memory>

#include "lckv/comm/communicator.h"
#include "lckv/comm/grid.h"

namespace lckv::comm {

class World;

/// One rank's place in the grid and the groups it belongs to. All are always there; many have size
/// 1.
struct Communicators {
  Grid grid;
  bool over_nccl = false;               // device views travel over NCCL
  std::unique_ptr<Communicator> world;  // all ranks
  std::unique_ptr<Communicator> dp;     // ranks with this tp_rank: same weights, other sequences
  std::unique_ptr<Communicator> tp;     // ranks with this dp_rank: one copy of the model
  std::unique_ptr<Communicator> kv;     // neighbours in tp that hold the same key/value heads
};

/// How collectives on views in device memory travel; those in host memory take MPI.
enum class DevicePath : uint8_t {
  kAuto,  // NCCL where every rank of the world has it and a GPU of its own, else MPI
  kNccl,
  kMpi  // staged in host memory
};

/// Collective over the world.
///
///   kv_sharers   ranks that share a key/value head; divides grid.tp
///   device       where this rank computes; of one kind on all ranks
///   path         equal on all ranks; of no meaning on the CPU
///
/// Throws AgreedError on all ranks when NCCL is asked for and a rank does not have it, or NCCL
/// refuses what it is given, as ranks that share a GPU.
Communicators make_communicators(World& world, const Grid& grid, int kv_sharers, Device device = {},
                                 DevicePath path = DevicePath::kAuto);
/// One process.
Communicators alone();
/// A rank of a grid that exists on paper only.
Communicators planned(const Grid& grid, int kv_sharers);

/// alone(), made once: what a model uses that is not told otherwise.
const Communicators& single_process();

}  // namespace lckv::comm
