#include <fmt/core.h>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/retention.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/saved_states.h"
#include "lckv/train/run_lock.h"

namespace lckv::cli {

namespace {

namespace fs = std::filesystem;

int64_t bytes_in(const fs::path& folder) {
  int64_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) bytes += static_cast<int64_t>(entry.file_size());
  }
  return bytes;
}

/// The newest state of which every byte was read and is right: it must outlive everything else.
StateFacts newest_whole(const fs::path& run_folder) {
  const auto alone = comm::make_alone("prune");
  const auto newest = checkpoint::find_latest_state(*alone, run_folder, &stop_requested());
  if (!newest) throw DataError(format("{}: the run has no saved state", run_folder.string()));
  return look_at_state(*newest);
}

/// What to keep, told to the user.
checkpoint::Retention retention_of(const CheckpointPruneArgs& args, const StateFacts& newest) {
  checkpoint::Retention retention{args.keep_last, args.keep_every_steps, std::nullopt};
  if (newest.best) retention.best_step = newest.best->step;
  fmt::print("{}: whole, and the newest that is\n", newest.folder.path.string());
  if (newest.best) {
    fmt::print("step {}: the best (validation loss {:.4f}), which stays where it is saved\n",
               newest.best->step, newest.best->loss);
  }
  return retention;
}

/// Removes the states, or tells what it would remove. Returns the bytes that come free.
int64_t remove_states(const std::vector<checkpoint::StateFolder>& states, bool dry_run) {
  int64_t freed_bytes = 0;
  for (const checkpoint::StateFolder& state : states) {
    if (stop_requested()) throw Interrupted("stopped between two states; those named are removed");
    const int64_t bytes = bytes_in(state.path);
    if (!dry_run) checkpoint::remove_folder(state.path);
    fmt::print("{} {}, {}\n", dry_run ? "would remove" : "removed", state.path.string(),
               human_bytes(static_cast<double>(bytes)));
    freed_bytes += bytes;
  }
  return freed_bytes;
}

}  // namespace

ExitCode run_checkpoint_prune(const CheckpointPruneArgs& args) {
  const GivenFolder folder = look_at_folder_with_states(args.folder);
  if (folder.is_state) {
    throw DataError(format("{}: is one saved state; name its run's folder", args.folder));
  }
  std::optional<train::RunLock> lock;
  if (!args.dry_run) {
    lock.emplace(folder.path.string());
    checkpoint::remove_unfinished_states(folder.path);
  }
  const StateFacts newest = newest_whole(folder.path);
  const auto going = checkpoint::superfluous_states(checkpoint::list_state_folders(folder.path),
                                                    newest.folder.step, retention_of(args, newest));
  const int64_t freed_bytes = remove_states(going, args.dry_run);
  fmt::print("{}, {} {}\n", counted(going.size(), "state"),
             human_bytes(static_cast<double>(freed_bytes)),
             args.dry_run ? "would come free" : "freed");
  return ExitCode::kOk;
}

}  // namespace lckv::cli
