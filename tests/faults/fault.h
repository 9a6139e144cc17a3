#pragma once

#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lckv/checkpoint/file_calls.h"

namespace lckv::test {

enum class Action { kKill, kNoSpace, kIoError };
const char* name(Action action);
/// What the error says: "No space left on device".
std::string reason(Action action);

/// What goes wrong in this process.
struct Fault {
  int64_t call = 1;  // of those that change the disk, counted from 1
  Action action = Action::kKill;
};

/// Counts the calls of this process that change the disk, and lets one of them go wrong.
class FaultyDisk {
 public:
  /// When the fault happens, the step of the newest state that has stood in `run_folder` until then
  /// is written into `witness`; -1 when there was none.
  FaultyDisk(std::filesystem::path run_folder, std::filesystem::path witness,
             std::optional<Fault> fault);

  /// Their names, in order.
  std::vector<std::string> calls() const;

 private:
  int on_call(std::string_view call);

  std::filesystem::path run_folder_, witness_;
  std::optional<Fault> fault_;
  mutable std::mutex mutex_;  // of the next; training and saves have threads of their own
  std::vector<std::string> calls_;
  int64_t newest_ = -1;
  checkpoint::ScopedFileCallHook hook_;
};

/// A file of one line for each text.
void write_lines(const std::filesystem::path& path, const std::vector<std::string>& lines);
/// Empty when there is no such file.
std::vector<std::string> read_lines(const std::filesystem::path& path);

}  // namespace lckv::test
