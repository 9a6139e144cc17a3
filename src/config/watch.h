#pragma once

#include <cstdint>

namespace lckv::config {

/// YAML section `watch:`: what a run leaves for those who look at it. The training is the same with
/// any of it.
struct WatchConfig {
  bool tensorboard = true;  // event files in <output>/tensorboard
  // Steps between two that are profiled, beside the third one of the process; 0: none is.
  int64_t profile_every_steps = 1000;
};

}  // namespace lckv::config
