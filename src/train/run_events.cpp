#include "lckv/train/run_events.h"

#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <iterator>

#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/train/utc_time.h"

namespace lckv::train {

namespace {

/// Of whole lines.
int64_t whole_bytes(const std::string& path) {
  std::ifstream file(path);
  const std::string text(std::istreambuf_iterator<char>(file), {});
  return static_cast<int64_t>(text.rfind('\n') + 1);  // npos + 1 is 0
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
  descriptor_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (descriptor_ < 0) throw IoError(format("{}: cannot open: {}", path_, std::strerror(errno)));
  if (ftruncate(descriptor_, whole_bytes(path_)) == 0) return;
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
  for (size_t done = 0; done < line.size();) {
    const ssize_t written = ::write(descriptor_, line.data() + done, line.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) {
      throw IoError(format("{}: cannot append a line: {}", path_, std::strerror(errno)));
    }
    done += static_cast<size_t>(written);
  }
}

void RunEvents::sync() {
  if (fdatasync(descriptor_) == 0) return;
  throw IoError(format("{}: cannot sync: {}", path_, std::strerror(errno)));
}

}  // namespace lckv::train
