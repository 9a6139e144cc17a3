#include "fault.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <signal.h>
#include <unistd.h>

#include "lckv/checkpoint/state_folders.h"

namespace lckv::test {

namespace {

int error_number(Action action) { return action == Action::kNoSpace ? ENOSPC : EIO; }

int64_t newest_step(const std::filesystem::path& run_folder) {
  const auto states = checkpoint::list_state_folders(run_folder);
  return states.empty() ? -1 : states.front().step;
}

}  // namespace

const char* name(Action action) {
  switch (action) {
    case Action::kKill:
      return "SIGKILL";
    case Action::kNoSpace:
      return "ENOSPC";
    case Action::kIoError:
      return "EIO";
  }
  return "";
}

std::string reason(Action action) { return std::generic_category().message(error_number(action)); }

FaultyDisk::FaultyDisk(std::filesystem::path run_folder, std::filesystem::path witness,
                       std::optional<Fault> fault)
    : run_folder_(std::move(run_folder)),
      witness_(std::move(witness)),
      fault_(fault),
      hook_([this](std::string_view call) { return on_call(call); }) {}

std::vector<std::string> FaultyDisk::calls() const {
  const std::lock_guard lock(mutex_);
  return calls_;
}

int FaultyDisk::on_call(std::string_view call) {
  const std::lock_guard lock(mutex_);
  calls_.emplace_back(call);
  newest_ = std::max(newest_, newest_step(run_folder_));
  if (!fault_ || static_cast<int64_t>(calls_.size()) != fault_->call) return 0;
  write_lines(witness_, {std::to_string(newest_)});
  if (fault_->action != Action::kKill) return error_number(fault_->action);
  kill(getpid(), SIGKILL);
  for (;;) pause();
}

void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines) {
  std::ofstream file(path);
  for (const std::string& line : lines) file << line << "\n";
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  std::ifstream file(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

}  // namespace lckv::test
