#pragma once

#include <functional>
#include <string>

#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

/// What a rank brings to NCCL.
struct NcclHere {
  std::string gpu;      // "node17, GPU 0000:65:00.0": tells it from every other of the world
  std::string version;  // "2.28.9"
};

/// Collective over a world of several ranks: whether views in device memory travel over NCCL, the
/// same on all ranks.
///
///   path   equal on all ranks
///   look   tells of this rank, or throws Error where NCCL cannot be used; runs no collective
///
/// kAuto takes it where look() succeeds on every rank, versions are equal and no GPU is shared;
/// else rank 0 logs who lacks what. kNccl throws AgreedError naming every rank that lacks it; ranks
/// that share a GPU are NCCL's to judge.
bool takes_nccl(World& world, DevicePath path, const std::function<NcclHere()>& look);

}  // namespace lckv::comm
