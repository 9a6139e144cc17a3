#include "lckv/train/run_events.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/base/write_all.h"
#include "lckv/train/utc_time.h"

namespace lckv::train {

namespace {

/// Of whole lines; 0 when there is no file.
int64_t whole_bytes(const std::string& path) {
  std::error_code error;
  if (!std::filesystem::exists(path, error) && !error) return 0;
  std::ifstream file(path, std::ios::binary);
  int64_t bytes = 0;
  std::string line;
  while (std::getline(file, line) && !file.eof()) bytes += std::ssize(line) + 1;
  if (!file.is_open() || file.bad()) {
    throw IoError(format("{}: cannot read: {}", path, std::strerror(errno)));
  }
  return bytes;
}

}  // namespace

const char* name(RunEventKind kind) {
  switch (kind) {
    case RunEventKind::kStarted:
      return "started";
    case RunEventKind::kResumed:
      return "resumed";
    case RunEventKind::kSaved:
      return "saved";
    case RunEventKind::kSaveFailed:
      return "save_failed";
    case RunEventKind::kSpike:
      return "spike";
    case RunEventKind::kSkipped:
      return "skipped";
    case RunEventKind::kWarning:
      return "warning";
    case RunEventKind::kStopped:
      return "stopped";
    case RunEventKind::kFinished:
      return "finished";
    case RunEventKind::kDiverged:
      return "diverged";
    case RunEventKind::kFailed:
      return "failed";
  }
  LCKV_CHECK(false, format("event {}", static_cast<int>(kind)));
}

RunEvents::RunEvents(std::string path) : path_(std::move(path)) {
  const int64_t whole = whole_bytes(path_);
  descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw IoError(format("{}: cannot open: {}", path_, std::strerror(errno)));
  if (ftruncate(descriptor_, whole) == 0) return;
  const int failed = errno;
  close(descriptor_);
  throw IoError(format("{}: cannot cut the torn line: {}", path_, std::strerror(failed)));
}

RunEvents::~RunEvents() {
  if (descriptor_ >= 0) close(descriptor_);
}

void RunEvents::add(int64_t step, RunEventKind kind, const std::string& message) {
  using Json = nlohmann::ordered_json;
  const std::lock_guard lock(mutex_);
  const Json event = {{"step", step},
                      {"time", utc_text(std::chrono::system_clock::now())},
                      {"kind", name(kind)},
                      {"message", message}};
  const std::string line = event.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  const off_t end = lseek(descriptor_, 0, SEEK_END);
  if (write_all(descriptor_, line)) return;
  const int failed = errno;
  // The end of the run may be told yet: not behind a part of this line.
  [[maybe_unused]] const int ignored = ftruncate(descriptor_, end);
  throw IoError(format("{}: cannot append a line: {}", path_, std::strerror(failed)));
}

void RunEvents::sync() {
  if (fdatasync(descriptor_) == 0) return;
  throw IoError(format("{}: cannot sync: {}", path_, std::strerror(errno)));
}

}  // namespace lckv::train
