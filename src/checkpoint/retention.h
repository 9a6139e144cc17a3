#pragma once

#include <filesystem>
#include <optional>
#include <vector>

#include "lckv/checkpoint/state_folders.h"

namespace lckv::checkpoint {

/// Which saved states stay.
struct Retention {
  int64_t keep_last = 0;             // the newest ones; 0: all
  int64_t keep_every_steps = 0;      // those whose step it divides; 0: none
  std::optional<int64_t> best_step;  // this one
};

/// Pure: the states that may go once `newest_step` has been saved, oldest first. States above it
/// stay: they are damaged or of another branch, and must not push out good ones.
std::vector<StateFolder> superfluous_states(const std::vector<StateFolder>& states,
                                            int64_t newest_step, const Retention& retention);

/// Removes them. What cannot be removed is named by log_warning: a run that saves well does not end
/// because an old state stays. Throws IoError when the folder cannot be listed.
void remove_superfluous_states(const std::filesystem::path& run_folder, int64_t newest_step,
                               const Retention& retention);

}  // namespace lckv::checkpoint
