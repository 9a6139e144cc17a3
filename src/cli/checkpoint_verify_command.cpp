#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "lckv/base/clock.h"
#include "lckv/base/text.h"
#include "lckv/cli/commands.h"
#include "lckv/cli/saved_states.h"

namespace lckv::cli {

namespace {

using nlohmann::ordered_json;

/// A state, every byte of which was read.
struct Verified {
  StateFacts facts;
  double read_s = 0;
};

Verified verify(const std::filesystem::path& state_folder) {
  Verified verified{look_at_state(state_folder)};
  const Stopwatch watch;
  verify_bytes(verified.facts);
  verified.read_s = watch.elapsed_s();
  return verified;
}

void print(const Verified& state) {
  const StateFacts& facts = state.facts;
  const std::string path = facts.folder.path.string();
  if (facts.is_removed) {
    fmt::print("{}: removed meanwhile\n", path);
    return;
  }
  if (!facts.is_damaged()) {
    fmt::print("{}: OK, {} in {} and the manifest, {:.2f} GB/s\n", path,
               human_bytes(static_cast<double>(facts.bytes)),
               counted(facts.manifest.files.size(), "file"),
               static_cast<double>(facts.bytes) / state.read_s / 1e9);
    return;
  }
  fmt::print("{}: DAMAGED\n", path);
  for (const auto& damage : facts.damages) fmt::print("  {}\n", to_string(damage));
}

ordered_json to_json(const Verified& state) {
  return {{"path", state.facts.folder.path.string()},
          {"ok", !state.facts.is_damaged()},
          {"bytes", state.facts.bytes},
          {"seconds", state.read_s},
          {"damages", damages_json(state.facts)}};
}

}  // namespace

ExitCode run_checkpoint_verify(const CheckpointVerifyArgs& args) {
  // All are looked for before one is read, which may take long.
  std::vector<GivenFolder> folders;
  for (const std::string& given : args.folders)
    folders.push_back(look_at_folder_with_states(given));
  ordered_json all = ordered_json::array();
  bool is_whole = true;
  for (const GivenFolder& folder : folders) {
    for (const checkpoint::StateFolder& state : folder.states) {
      const Verified verified = verify(state.path);
      const StateFacts& facts = verified.facts;
      if (facts.is_removed && folder.is_state) {
        throw IoError(format("{}: was removed while it was looked at", state.path.string()));
      }
      is_whole = is_whole && !facts.is_damaged();
      if (!facts.is_removed) all.push_back(to_json(verified));
      if (!args.json) print(verified);
    }
  }
  if (args.json) fmt::print("{}\n", all.dump(2));
  return is_whole ? ExitCode::kOk : ExitCode::kCheckFailed;
}

}  // namespace lckv::cli
