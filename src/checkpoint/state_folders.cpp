#include "lckv/checkpoint/state_folders.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <system_error>

#include "lckv/base/text.h"
#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/file_calls.h"

namespace lckv::checkpoint {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kPrefix = "step-";

/// The names of the folders directly in `run_folder`.
std::vector<std::string> folder_names(const fs::path& run_folder) {
  std::vector<std::string> names;
  std::error_code error;
  if (!fs::exists(run_folder, error) && !error) return names;
  fs::directory_iterator entry(run_folder, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) {
    std::error_code unknown_kind;
    if (entry->is_directory(unknown_kind)) names.push_back(entry->path().filename().string());
  }
  if (error) throw_io_error(run_folder, "list the folder", error.value());
  return names;
}

}  // namespace

std::string state_folder_name(int64_t step) { return format("{}{:08}", kPrefix, step); }

std::optional<int64_t> step_of(const std::string& folder_name) {
  if (!folder_name.starts_with(kPrefix)) return std::nullopt;
  int64_t step = -1;
  const char* end = folder_name.data() + folder_name.size();
  std::from_chars(folder_name.data() + kPrefix.size(), end, step);
  if (step < 0 || state_folder_name(step) != folder_name) return std::nullopt;
  return step;
}

namespace {

/// The step of a folder that stands at replaced_path().
std::optional<int64_t> replaced_step_of(const std::string& folder_name) {
  const std::string suffix = replaced_path("").string();
  if (!folder_name.ends_with(suffix)) return std::nullopt;
  return step_of(folder_name.substr(0, folder_name.size() - suffix.size()));
}

}  // namespace

std::vector<StateFolder> list_state_folders(const fs::path& run_folder) {
  std::map<int64_t, fs::path> by_step, replaced;
  for (const std::string& name : folder_names(run_folder)) {
    if (const auto step = step_of(name)) by_step[*step] = run_folder / name;
    if (const auto step = replaced_step_of(name)) replaced[*step] = run_folder / name;
  }
  by_step.merge(replaced);  // what has its successor is not taken
  std::vector<StateFolder> states;
  for (const auto& [step, path] : by_step) states.push_back({step, path});
  std::reverse(states.begin(), states.end());
  return states;
}

void remove_unfinished_states(const fs::path& run_folder) {
  const std::vector<std::string> names = folder_names(run_folder);
  for (const std::string& name : names) {
    const auto step = replaced_step_of(name);
    if (!step || fs::exists(run_folder / state_folder_name(*step))) continue;
    restore_replaced(run_folder / state_folder_name(*step));
  }
  std::vector<std::string> unfinished;
  for (const std::string& name : names) {
    if (name.starts_with(kPrefix) && name.ends_with(".tmp")) unfinished.push_back(name);
  }
  // One of them may be the old state of a step whose new one is not known to have the name.
  if (!unfinished.empty()) sync_folder(run_folder);
  for (const std::string& name : unfinished) remove_tree_or_warn(run_folder / name);
}

}  // namespace lckv::checkpoint
