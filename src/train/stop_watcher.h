#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

namespace lckv::train {

/// Gathers what can end a run early, a stop signal, the time limit, a stop on another rank, into
/// one flag, and says at once what it noticed: between the signal and the moment when the run can
/// act on it may lie a long validation or save, and who waits must know that it was heard.
///
///   [10:55:36] warning rank 2 (node17): SIGTERM noticed while validating: finishing the
///   micro-batch, then saving
///
/// A thread looks every 50 ms. The first thing noticed is the reason; later ones change nothing,
/// and a signal that comes here when another rank has already said its own is not said again.
class StopWatcher {
 public:
  struct Options {
    std::string who;                     // World::describe_rank(): begins the message; "" alone
    std::function<std::string()> phase;  // what goes on, "training"; asked from the thread
    std::string then = "finishing the micro-batch, then saving";  // what follows
    // Seconds since the program's start (process_age_s); 0: none. Where one rank's clock is to
    // decide for all, on that rank alone.
    double time_limit_s = 0;
  };

  /// What was asked before is noticed when this returns.
  ///
  ///   asked   set by a signal handler (stop_requested()) or anybody; outlives this object
  StopWatcher(const std::atomic<bool>& asked, Options options);
  ~StopWatcher();
  StopWatcher(const StopWatcher&) = delete;
  StopWatcher& operator=(const StopWatcher&) = delete;

  /// What the run polls.
  const std::atomic<bool>& stop() const { return stop_; }
  /// That rank was told to stop. Sets stop() before it returns; from any thread, any number of
  /// times.
  void stop_elsewhere(int rank);
  /// "signal SIGTERM", "time limit of 3600 s", "rank 2 was told to stop", "a request" where no
  /// signal set the flag; "" while stop() is not set.
  std::string reason() const;

 private:
  /// Looks once; true when nothing is left to look for.
  bool look();
  void look_until_the_end();
  /// False when something was noticed before.
  bool note(const std::string& reason);
  void say(const std::string& noticed) const;

  const std::atomic<bool>& asked_;
  const Options options_;
  std::atomic<bool> stop_{false};
  mutable std::mutex mutex_;  // of the two below
  std::string reason_;
  bool ending_ = false;
  std::condition_variable ends_;
  std::thread thread_;
};

}  // namespace lckv::train
