#include "lckv/train/run_ranks.h"

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/config/load.h"
#include "lckv/kernels/table.h"
#include "lckv/model/dims.h"
#include "lckv/train/data_fingerprint.h"
#include "lckv/train/device.h"
#include "lckv/train/precision.h"

namespace lckv::train {

namespace {

comm::Grid grid_of(const config::RunConfig& config, int ranks, int rank) {
  const comm::Grid grid = comm::make_grid(ranks, rank, static_cast<int>(config.parallel.tensor),
                                          static_cast<int>(config.parallel.data));
  std::string problems;
  for (const std::string& problem : config::validate_grid(config, grid.dp)) {
    problems += "\n  " + problem;
  }
  if (problems.empty()) return grid;
  throw ConfigError(
      format("{} ranks as {} do not fit the run:{}", ranks, to_string(grid), problems));
}

comm::DevicePath path_of(config::DeviceComm choice) {
  switch (choice) {
    case config::DeviceComm::kAuto:
      return comm::DevicePath::kAuto;
    case config::DeviceComm::kNccl:
      return comm::DevicePath::kNccl;
    case config::DeviceComm::kMpi:
      return comm::DevicePath::kMpi;
  }
  throw InternalError("unknown way of collectives");
}

int kv_sharers(const config::ModelConfig& model, const comm::Grid& grid) {
  model::Dims dims = model::make_dims(model, 1, 1);
  dims.tp = grid.tp;
  return static_cast<int>(dims.kv_sharers());
}

}  // namespace

comm::Communicators join_grid(comm::World& world, const config::RunConfig& config, Device device) {
  // First of all: what two ranks read differently is not worth another message.
  comm::require_equal_texts(world, "configuration", config::to_yaml(config));
  comm::Grid grid;
  comm::together(world, [&] { grid = grid_of(config, world.size(), world.rank()); });
  return comm::make_communicators(world, grid, kv_sharers(config.model, grid), device,
                                  path_of(config.parallel.device_comm));
}

comm::Communicators join_grid(comm::World& world, const config::ModelConfig& model, int64_t tensor,
                              Device device) {
  config::RunConfig run;
  run.model = model;
  run.parallel.tensor = tensor;
  comm::Grid grid;
  comm::together(world, [&] {
    grid = comm::make_grid(world.size(), world.rank(), static_cast<int>(tensor), /*data=*/0);
    run.train.sequences_per_step = grid.dp;  // nothing is trained: any batch will do
    grid = grid_of(run, world.size(), world.rank());
  });
  return comm::make_communicators(world, grid, kv_sharers(model, grid), device);
}

comm::Communicators planned_grid(const config::RunConfig& config, int ranks, int rank) {
  const comm::Grid grid = grid_of(config, ranks, rank);
  return comm::planned(grid, kv_sharers(config.model, grid));
}

void require_equal_runs(comm::World& world, const config::RunConfig& config) {
  const Device device = join_device(world, config.train.device);
  comm::require_equal_texts(world, "precision",
                            std::string(name(resolve_precision(config.train.precision, device))));
  // Ranks of one copy compute the same norm gains and residuals: other instructions, other bits.
  if (config.parallel.tensor > 1 || device.kind == DeviceKind::kCuda) {
    comm::require_equal_texts(world, "kernels", ops::kernels(device).name);
  }
  comm::require_equal_texts(world, "training data", data_fingerprint(config.data.train));
  comm::require_equal_texts(world, "validation data", data_fingerprint(config.data.validation));
}

}  // namespace lckv::train
