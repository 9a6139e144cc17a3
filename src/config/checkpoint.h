#pragma once

#include <cstdint>

namespace lckv::config {

/// What a save does when the one before is still being written.
enum class WhenBusy { kWait, kSkip };

/// YAML section `checkpoint:`: when the state of a run is saved, and which states stay.
struct CheckpointConfig {
  int64_t every_steps = 0;  // 0: at the end only (and when the run is stopped)
  // training goes on while a copy of the state is written; costs the memory of that copy
  bool asynchronous = true;
  WhenBusy when_busy = WhenBusy::kWait;  // asynchronous saves
  int64_t keep_last = 3;                 // newest states that stay; 0: all
  int64_t keep_every_steps = 0;          // states of these steps stay for ever; 0: none
  // the state with the lowest validation loss stays, the exact one where it is scored (eval.h); one
  // is saved whenever it falls below all before
  bool keep_best = false;
};

}  // namespace lckv::config
