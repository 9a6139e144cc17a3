#pragma once

#include <cstdint>

namespace lckv::config {

/// YAML section `guards:`: what is watched while a run trains.
struct GuardsConfig {
  int64_t max_nonfinite_steps = 3;  // skipped updates in a row before the run stops
  // A step is a spike when its loss or gradient norm lies more than spike_deviations standard
  // deviations above the mean of the last spike_window_steps ordinary ones.
  int64_t spike_window_steps = 128;  // 0: spikes are not looked for
  double spike_deviations = 6;
  bool skip_spikes = false;      // leave the update of a spike out
  double stall_timeout_s = 600;  // a collective that waits longer ends the run; 0: never
};

}  // namespace lckv::config
