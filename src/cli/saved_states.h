#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"

namespace lckv::cli {

/// A validation that the trainer noted.
struct NotedLoss {
  int64_t step = 0;
  double loss = 0;
};

/// What a saved state says of itself; only its manifest is read.
struct StateFacts {
  checkpoint::StateFolder folder;
  checkpoint::Manifest manifest;
  int64_t bytes = 0;     // of all its files
  std::string saved_at;  // "" when the trainer noted none
  std::optional<NotedLoss> validation, best;
  // what is wrong; of the manifest alone unless every byte was read
  std::vector<checkpoint::Damage> damages;
  bool is_damaged() const { return !damages.empty(); }
  // by a run that goes on, while it was looked at: nothing more is known, no damage either
  bool is_removed = false;
};
/// Does not throw for a damaged manifest: that is noted.
StateFacts look_at_state(const std::filesystem::path& state_folder);
/// Reads every byte, unless the state is known to be damaged or removed. Throws Interrupted.
void verify_bytes(StateFacts& facts);

/// What a folder given on the command line is.
struct GivenFolder {
  std::filesystem::path path;                   // without a trailing slash
  bool is_state = false;                        // else a run's, with
  std::vector<checkpoint::StateFolder> states;  // newest first; a state alone is its own list
};
/// Throws IoError when there is no such folder, DataError when it is neither a run's nor a state's.
GivenFolder look_at_folder(const std::string& given);
/// The same; DataError also when a run has no state yet.
GivenFolder look_at_folder_with_states(const std::string& given);

/// The step of the best state so far, as the newest of these that is not damaged says.
std::optional<int64_t> best_step(const std::vector<StateFacts>& newest_first);

/// [{"file": ..., "tensor": ..., "what": ...}, ...]
nlohmann::ordered_json damages_json(const StateFacts& state);

/// "1 file", "2 files"
std::string counted(size_t count, const std::string& noun);
/// "a, b, c"
std::string joined(const std::vector<std::string>& words);

}  // namespace lckv::cli
