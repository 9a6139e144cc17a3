#include "lckv/checkpoint/state_folders.h"

#include <algorithm>
#include <charconv>
#include <system_error>

#include "lckv/base/text.h"
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

std::vector<StateFolder> list_state_folders(const fs::path& run_folder) {
  std::vector<StateFolder> states;
  for (const std::string& name : folder_names(run_folder)) {
    if (const auto step = step_of(name)) states.push_back({*step, run_folder / name});
  }
  std::sort(states.begin(), states.end(),
            [](const StateFolder& a, const StateFolder& b) { return a.step > b.step; });
  return states;
}

void remove_unfinished_states(const fs::path& run_folder) {
  for (const std::string& name : folder_names(run_folder)) {
    if (!name.starts_with(kPrefix) || !name.ends_with(".tmp")) continue;
    remove_tree(run_folder / name);
  }
}

}  // namespace lckv::checkpoint
