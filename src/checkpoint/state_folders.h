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
/// Those of a run, newest first; empty when the run has no folder. One whose name a kill took away
/// (replaced_path) is among them. Throws IoError.
std::vector<StateFolder> list_state_folders(const std::filesystem::path& run_folder);

/// Tidies up after killed saves and removals: a state without a name gets it back, then
/// `step-*.tmp` goes. What cannot be removed (a file that somebody reads on a network file system)
/// is named by log_warning and stays: it harms nobody. Throws IoError when the folder cannot be
/// listed or synced, or a name not be given back.
void remove_unfinished_states(const std::filesystem::path& run_folder);

}  // namespace lckv::checkpoint
