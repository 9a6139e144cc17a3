#pragma once

#include <atomic>

#include "lckv/train/run.h"

namespace lckv::test {

inline const std::atomic<bool> kNeverStop{false};

/// Trains in this process alone, as without a launcher.
inline train::RunResult train_alone(const config::RunConfig& run,
                                    const std::atomic<bool>& stop = kNeverStop) {
  comm::World world = comm::World::alone();
  return train::run_training(world, run, stop);
}

}  // namespace lckv::test
