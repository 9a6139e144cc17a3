#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lckv/checkpoint/safetensors.h"
#include "lckv/checkpoint/shard.h"

namespace lckv::checkpoint {

/// Saves a complete training state as `<run_folder>/step-<step>` (FORMAT.md section 1) and returns
/// that folder. It appears whole or not at all; a state of the same step is replaced.
///
///   shards               whole tensors in host memory; they must not change until the call returns
///   trainer_state_json   an object, handed back by load_state with the same values (spaces may
///   differ)
///
/// Returns when everything is on the disk. Throws IoError, and leaves no temporary then.
std::filesystem::path save_state(const std::filesystem::path& run_folder, int64_t step,
                                 std::span<const Shard> shards,
                                 const std::string& trainer_state_json);

/// The same, tensor by tensor, so that no more than one of them need exist in memory: what gathers
/// them from many ranks.
class StateWriter {
 public:
  /// `tensors`: all of the state. Throws IoError.
  StateWriter(const std::filesystem::path& run_folder, int64_t step,
              const std::vector<SafetensorsWriter::Declared>& tensors);
  /// Removes what was written, unless committed.
  ~StateWriter();

  /// A whole tensor; in the order in which SafetensorsWriter wants the declared ones.
  void write(const std::string& name, const ConstView& whole);
  /// Returns the folder, when everything is on the disk.
  std::filesystem::path commit(const std::string& trainer_state_json);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The file of a state's folder that holds the whole tensors.
std::filesystem::path tensors_file(const std::filesystem::path& state_folder);

/// The folder of the newest state whose files are all whole; reads every byte of it. Each damaged
/// newer one is named by log_warning with the reason. Nothing when the run has no state (or no
/// folder) at all. Throws DataError when there are states and none is whole: a run must not start
/// over silently.
std::optional<std::filesystem::path> find_latest_state(const std::filesystem::path& run_folder);

/// Throws DataError or IoError naming the first file, and the tensor where it can be told, that is
/// not as it was saved.
void verify_state(const std::filesystem::path& state_folder);

/// Fills the views and returns the trainer's state. Names, dtypes, shapes and slices must be
/// exactly those saved, and every byte is checked against its checksum as it is read. Throws
/// DataError or IoError; the content of the views is unspecified then.
std::string load_state(const std::filesystem::path& state_folder, std::span<const Shard> shards);

/// Step and trainer's state alone, from the manifest.
struct StateSummary {
  int64_t step;
  std::string trainer_state_json;
};
StateSummary read_state_summary(const std::filesystem::path& state_folder);

/// Removes the states below the `keep_last` newest ones up to `newest_step`, the one just saved.
/// States above it stay: they are damaged or of another branch, and must not push out good ones.
/// `keep_last` <= 0 keeps all. Throws IoError.
void keep_last_states(const std::filesystem::path& run_folder, int64_t newest_step, int keep_last);

}  // namespace lckv::checkpoint
