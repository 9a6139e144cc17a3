#include "lckv/cli/saved_states.h"

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/input_file.h"

namespace lckv::cli {

namespace fs = std::filesystem;
using checkpoint::Manifest;
using nlohmann::ordered_json;

namespace {

constexpr const char* kRunConfig = "config.yaml";
constexpr const char* kHfConfig = "config.json";

/// A member {"step": 1, "loss": 2.5} of the trainer's object (checkpoint/FORMAT.md 1.4).
std::optional<NotedLoss> noted_loss(const ordered_json& trainer, const char* member) {
  const auto found = trainer.find(member);
  if (found == trainer.end() || !found->is_object()) return std::nullopt;
  const auto step = found->find("step"), loss = found->find("loss");
  const bool complete = step != found->end() && step->is_number_integer() && loss != found->end() &&
                        loss->is_number();
  if (!complete) return std::nullopt;
  return NotedLoss{step->get<int64_t>(), loss->get<double>()};
}

void read_facts(const fs::path& state_folder, StateFacts& facts) {
  facts.manifest = checkpoint::read_manifest(state_folder);
  facts.folder.step = facts.manifest.step;
  facts.bytes = checkpoint::InputFile(state_folder / Manifest::kFileName).bytes();
  for (const auto& [file, summary] : facts.manifest.files) facts.bytes += summary.bytes;
  const auto trainer = ordered_json::parse(facts.manifest.trainer_json);
  if (const auto saved_at = trainer.find("saved_at");
      saved_at != trainer.end() && saved_at->is_string()) {
    facts.saved_at = saved_at->get<std::string>();
  }
  facts.validation = noted_loss(trainer, "validation");
  facts.best = noted_loss(trainer, "best");
}

bool is_gone(const fs::path& path) {
  std::error_code unknown;
  return fs::status(path, unknown).type() == fs::file_type::not_found;
}

/// What was found wrong with a state that went meanwhile is no damage. It goes by its name, or,
/// where it stood under a temporary one, by its manifest.
void note_removal(StateFacts& facts) {
  if (!facts.is_damaged()) return;
  const bool had_manifest = facts.bytes > 0;
  facts.is_removed = is_gone(facts.folder.path) ||
                     (had_manifest && is_gone(facts.folder.path / Manifest::kFileName));
  if (facts.is_removed) facts.damages.clear();
}

}  // namespace

StateFacts look_at_state(const fs::path& state_folder) {
  StateFacts facts;
  const auto named = checkpoint::step_of(state_folder.filename().string());
  facts.folder = {named.value_or(-1), state_folder};
  facts.damages = checkpoint::find_manifest_damage(state_folder);
  try {
    if (!facts.is_damaged()) read_facts(state_folder, facts);
  } catch (const IoError&) {
    facts.damages = checkpoint::find_manifest_damage(state_folder);
    if (!facts.is_damaged()) throw;
  }
  note_removal(facts);
  return facts;
}

void verify_bytes(StateFacts& facts) {
  if (facts.is_damaged() || facts.is_removed) return;
  facts.damages = checkpoint::find_damage(facts.folder.path, &stop_requested());
  note_removal(facts);
}

GivenFolder look_at_folder(const std::string& given) {
  const fs::path as_given(given);
  GivenFolder folder;
  folder.path = as_given.has_filename() ? as_given : as_given.parent_path();  // "run/" is "run"
  if (!fs::is_directory(folder.path)) throw IoError(format("{}: no such folder", given));
  const auto named = checkpoint::step_of(fs::absolute(folder.path).filename().string());
  folder.is_state = named.has_value() || fs::exists(folder.path / Manifest::kFileName);
  if (folder.is_state) {
    folder.states = {{named.value_or(-1), folder.path}};
    return folder;
  }
  folder.states = checkpoint::list_state_folders(folder.path);
  if (!folder.states.empty() || fs::exists(folder.path / kRunConfig)) return folder;
  throw DataError(
      format("{}: {}neither a run's folder (it has no {} and no {}) nor a saved state "
             "(it has no {})",
             given, fs::exists(folder.path / kHfConfig) ? "a Hugging Face folder, " : "",
             kRunConfig, checkpoint::state_folder_name(0).substr(0, 5) + "*", Manifest::kFileName));
}

GivenFolder look_at_folder_with_states(const std::string& given) {
  GivenFolder folder = look_at_folder(given);
  if (folder.states.empty()) throw DataError(format("{}: the run has no saved state yet", given));
  return folder;
}

std::optional<int64_t> best_step(const std::vector<StateFacts>& newest_first) {
  for (const StateFacts& state : newest_first) {
    if (state.is_damaged()) continue;
    return state.best ? std::optional(state.best->step) : std::nullopt;
  }
  return std::nullopt;
}

ordered_json damages_json(const StateFacts& state) {
  ordered_json damages = ordered_json::array();
  for (const checkpoint::Damage& damage : state.damages) {
    damages.push_back(
        {{"file", damage.file.string()}, {"tensor", damage.tensor}, {"what", damage.what}});
  }
  return damages;
}

std::string counted(size_t count, const std::string& noun) {
  return format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace lckv::cli
