#include <algorithm>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/state.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/comm/agreement.h"

namespace lckv::checkpoint {

namespace {

/// A line for each.
std::string lines_of(const std::vector<Damage>& found) {
  std::string text;
  for (const Damage& damage : found) text += to_string(damage) + "\n";
  return text;
}

/// Names, newest first, as rank 0 sees them: another could look while one is removed.
std::vector<std::string> agreed_states(comm::Communicator& group,
                                       const std::filesystem::path& run_folder) {
  std::string listed;
  comm::together(group, [&] {
    if (group.rank() != 0) return;
    for (const StateFolder& state : list_state_folders(run_folder)) {
      listed += state.path.filename().string() + "\n";
    }
  });
  std::vector<std::string> names = split(comm::gather_texts(group, listed).front(), '\n');
  names.pop_back();  // behind the last line end
  return names;
}

/// What is wrong with a state, whose files the ranks share out; "" when nothing is.
std::string agreed_damage(comm::Communicator& group, const std::filesystem::path& state,
                          const std::atomic<bool>* stop) {
  std::string mine;
  comm::together(group, [&] {
    const std::vector<Damage> found = find_damage(state, stop, group.rank(), group.size());
    for (const Damage& damage : found) {
      if (damage.other_version) throw DataError(to_string(damage));
      if (damage.unreadable) {
        throw IoError(to_string(damage) +
                      "; this saved state may be whole and is not passed over for an older one");
      }
    }
    mine = lines_of(found);
  });
  std::vector<std::string> lines;
  for (const std::string& text : comm::gather_texts(group, mine)) {
    for (const std::string& line : split(text, '\n')) {
      // Every rank reads the manifest.
      if (!line.empty() && std::find(lines.begin(), lines.end(), line) == lines.end()) {
        lines.push_back(line);
      }
    }
  }
  std::string all;
  for (const std::string& line : lines) all += "\n  " + line;
  return all;
}

}  // namespace

std::optional<std::filesystem::path> find_latest_state(comm::Communicator& group,
                                                       const std::filesystem::path& run_folder,
                                                       const std::atomic<bool>* stop) {
  const std::vector<std::string> states = agreed_states(group, run_folder);
  std::string reasons;
  for (const std::string& name : states) {
    const std::string damage = agreed_damage(group, run_folder / name, stop);
    if (damage.empty()) return run_folder / name;
    if (group.rank() == 0) {
      log_warning(format("saved state {} cannot be used:{}", (run_folder / name).string(), damage));
    }
    reasons += damage;
  }
  if (states.empty()) return std::nullopt;
  comm::together(group, [&] {
    throw DataError(format("{}: none of the {} saved states is whole:{}", run_folder.string(),
                           states.size(), reasons));
  });
  return std::nullopt;
}

std::optional<std::filesystem::path> find_latest_state(const std::filesystem::path& run_folder) {
  const auto alone = comm::make_alone("one process");
  return find_latest_state(*alone, run_folder);
}

}  // namespace lckv::checkpoint
