#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>

#include "lckv/comm/world.h"
#include "lckv/doctor/shared_folder.h"

namespace lckv::doctor {

struct NodesSettings {
  std::filesystem::path folder;  // that the ranks are to share; "": none is looked at
  double budget_s = 10;          // of all measurements together
};

/// Matmul and memory rate of a device, with the threads that the kernels have.
RankRates measure_rank(Device device, DType dtype, double budget_s);

/// What the ranks look with; in tests something else.
struct NodeInstruments {
  std::function<RankRates(Device device, DType dtype, double budget_s)> rates = measure_rank;
  std::function<int64_t()> clock_ns = wall_clock_ns;
  FolderInstruments folder;
};

/// Collective: what every rank finds of itself and of its node, and all together, the same on all
/// ranks. Ranks that share a machine share out its cores and GPUs as in training; rates are
/// measured on all of them at the same time. A device that fails on a rank is in that rank's
/// result.
NodesFacts examine_nodes(comm::World& world, const NodesSettings& settings,
                         const NodeInstruments& instruments = {});

}  // namespace lckv::doctor
