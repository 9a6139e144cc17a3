#pragma once

#include <atomic>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lckv/checkpoint/shard.h"
#include "lckv/comm/communicator.h"

namespace lckv::checkpoint {

/// Saves a complete training state as `<run_folder>/step-<step>` (FORMAT.md section 1) and returns
/// that folder. It appears whole or not at all; a state of the same step is replaced.
///
/// Collective over `group`: each rank writes its shards as one file, rank 0 commits. The folder is
/// one that all of them see.
///
///   shards               this rank's; all ranks' together cover every tensor once. They must not
///                        change until the call returns
///   trainer_state_json   rank 0's counts: an object, handed back by StateReader with the same
///                        values (spaces may differ)
///
/// Returns when everything is on the disk. Throws on every rank when any failed (as AgreedError in
/// a group of several) and leaves no temporary then: IoError; DataError when trainer_state_json is
/// no object; InternalError when the shards leave holes or overlap. When the last fsync is what
/// fails, after the rename, the new state stands, whole, all the same; and one of the same step
/// that it replaced stays beside it as a temporary, until a later save.
std::filesystem::path save_state(comm::Communicator& group, const std::filesystem::path& run_folder,
                                 int64_t step, std::span<const Shard> shards,
                                 const std::string& trainer_state_json);

/// One thing wrong with a saved state.
struct Damage {
  std::filesystem::path file;
  std::string tensor;          // whose bytes they are; "" in headers and the manifest
  std::string what;            // "checksum ..., the manifest says ..."
  bool other_version = false;  // of the format: whole perhaps, but not for this program
  bool unreadable = false;     // the system did not let it be read: whole perhaps
};
/// "<file>: tensor '<tensor>' ...", complete.
std::string to_string(const Damage& damage);

/// Reads every byte of every `of`th file, beginning with number `part`; and the manifest. Nothing
/// is wrong when the result is empty. What is missing is damaged, and what cannot be read. Throws
/// Interrupted when `stop` becomes true.
std::vector<Damage> find_damage(const std::filesystem::path& state_folder,
                                const std::atomic<bool>* stop = nullptr, int part = 0, int of = 1);

/// Of the manifest alone: whether the state can be looked into.
std::vector<Damage> find_manifest_damage(const std::filesystem::path& state_folder);

/// Throws DataError with the first damage.
void verify_state(const std::filesystem::path& state_folder,
                  const std::atomic<bool>* stop = nullptr);

/// The folder of the newest state that is whole; every byte of it was read. Each damaged newer one
/// is named by log_warning with the reason. Nothing when the run has no state (or no folder) at
/// all. Throws DataError when there are states and none is whole: a run must not start over
/// silently; and when a newer one is of another format version: that is no damage, and a run that
/// went on from an older one would write over it. Throws IoError when a newer one cannot be read
/// (permission, a disk that fails): it may be whole as well. Throws Interrupted when `stop` becomes
/// true on any rank. In a group of several ranks these are AgreedErrors with their exit codes.
///
/// Collective over `group`, whose ranks share the files out among them; the same result on each.
std::optional<std::filesystem::path> find_latest_state(comm::Communicator& group,
                                                       const std::filesystem::path& run_folder,
                                                       const std::atomic<bool>* stop = nullptr);
/// For one process.
std::optional<std::filesystem::path> find_latest_state(const std::filesystem::path& run_folder);

}  // namespace lckv::checkpoint
