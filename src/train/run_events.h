#pragma once

#include <cstdint>
#include <mutex>
#include <string>

namespace lckv::train {

/// What happened to a run, beside its steps.
enum class RunEventKind {
  kStarted,
  kResumed,
  kSaved,       // a state stands
  kSaveFailed,  // the run ends for it
  kSpike,
  kSkipped,  // an update was left out: something was not finite
  kWarning,
  kStopped,  // the rest are how a process of the run ended
  kFinished,
  kDiverged,
  kFailed
};

/// "started", "resumed", "saved", "save_failed", ... "failed".
const char* name(RunEventKind kind);

/// Appends to `events.jsonl`, one JSON object per line, each flushed when written:
///
///   {"step": 12, "time": "2026-11-26T10:55:36.123Z", "kind": "spike", "message": "..."}
///
/// What earlier processes of the run wrote stays, steps that a continued run does again included:
/// the times tell them apart. Calls may come from any thread.
class RunEvents {
 public:
  /// Opens or creates the file; a last line without end, torn by a crash, is cut off. Throws
  /// IoError.
  explicit RunEvents(std::string path);
  ~RunEvents();
  RunEvents(const RunEvents&) = delete;
  RunEvents& operator=(const RunEvents&) = delete;

  /// `message` is one or more lines; bytes that are no UTF-8 become U+FFFD. Throws IoError when the
  /// disk is full.
  void add(int64_t step, RunEventKind kind, const std::string& message);
  /// Returns when the lines so far survive a power cut. Throws IoError.
  void sync();

 private:
  std::string path_;
  int descriptor_ = -1;
  std::mutex mutex_;  // one line at a time
};

}  // namespace lckv::train
