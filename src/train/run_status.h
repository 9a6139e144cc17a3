#pragma once

#include <condition_variable>
#include <filesystem>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "lckv/train/status_page.h"

namespace lckv::train {

/// Keeps `<run>/status.json` (status_page.h) the picture of a run that is going on, for people,
/// scripts and dashboards that must not touch the run itself. Rank 0 alone writes; elsewhere every
/// call does nothing.
///
/// A thread of its own writes: at once when the state changes, at most once a second when anything
/// else does, every few seconds in any case, so that training never waits for a disk, however slow,
/// and a reader sees from `updated` that the process lives. The file is replaced as a whole
/// (temporary, rename) and never torn for a reader; it is not synced to the disk, since a page that
/// a power cut takes away says nothing that is still true. A disk that fails costs one warning, and
/// is tried again.
///
/// Calls may come from any thread. After a final state everything is ignored: the first one counts.
class RunStatus {
 public:
  /// Which run, and where.
  struct Facts {
    std::filesystem::path run_folder;  // exists
    std::string host;
    int ranks = 1;
    std::string grid;  // to_string(Grid)
    int64_t steps = 0;
    double sign_of_life_s = 5;  // longest time between two pages
  };

  /// The state is starting, pid and start those of this process. The page of a run that has ended
  /// in this folder is kept in mind until begin().
  RunStatus(const Facts& facts, bool writes);
  /// Without a final state before: failed.
  ~RunStatus();
  RunStatus(const RunStatus&) = delete;
  RunStatus& operator=(const RunStatus&) = delete;

  /// The run goes on from here; what fails before is a start that was refused.
  void begin();
  /// Changes the page; `change` runs under a lock and must be short, and sets no final state. The
  /// run has progressed when it changes the step or the state.
  void update(const std::function<void(StatusPage&)>& change);
  /// The state alone; not a final one.
  void enter(RunState state);
  /// Adds to health.messages, where the newest 20 stay.
  void add_message(const std::string& message);

  /// The run has ended; the page is written when this returns, or has not been within 2 s (a disk
  /// that hangs must not keep a process from ending). A watchdog calls it before it aborts.
  ///
  ///   message   finished: ""; stopped: StopWatcher::reason(); failed: the error
  void end(RunState final_state, const std::string& message);
  /// Runs `work`; what it throws goes on after end(kFailed) with its message. Before begin() the
  /// page of the run that has ended here stands again instead, if there was one: it is still true.
  void guard(const std::function<void()>& work);

 private:
  void write_until_the_end();
  void write(const std::string& text);

  const std::filesystem::path path_;
  const double sign_of_life_s_;
  const bool writes_;
  bool warned_ = false;  // the thread's own
  std::mutex mutex_;     // of the page and the marks below
  StatusPage page_;
  std::string page_before_;     // of a run that has ended here; "" without one, and from begin() on
  bool restores_page_ = false;  // the last page that is written is page_before_
  bool changed_ = true;
  bool urgent_ = true;  // the state changed
  bool end_written_ = false;
  std::condition_variable wake_, written_;
  std::thread thread_;
};

}  // namespace lckv::train
