#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace lckv::checkpoint {

/// "step-00001000"
std::string state_folder_name(int64_t step);
/// The step of such a name; nothing for any other.
std::optional<int64_t> step_of(const std::string& folder_name);

struct StateFolder {
  int64_t step;
  std::filesystem::path path;
};
/// Those of a run, newest first; empty when the run has no folder. Throws IoError.
std::vector<StateFolder> list_state_folders(const std::filesystem::path& run_folder);

/// Removes what a killed save or removal left: `step-*.tmp`. Throws IoError.
void remove_unfinished_states(const std::filesystem::path& run_folder);

}  // namespace lckv::checkpoint
