#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>

#include "lckv/comm/watchdog.h"
#include "lckv/comm/world.h"
#include "lckv/config/run.h"
#include "lckv/train/run_status.h"
#include "lckv/train/stop_watcher.h"

namespace lckv::train {

/// Watches over a run while it works: stop requests from anywhere, stalled ranks, and what the run
/// is doing, for messages and status.json.
class RunWatch {
 public:
  /// Collective. The program's time limit is rank 0's.
  RunWatch(comm::World& world, const config::RunConfig& config, const std::atomic<bool>& asked);

  /// Set soon after any rank was told to stop, or the time limit was reached.
  const std::atomic<bool>& stop() const { return stop_.stop(); }
  /// Why: what the rank says that was told. The same on every rank. Collective.
  std::string agreed_reason();

  /// The main thread begins something else.
  void enter(RunState state);
  /// Shows the rank that was heard of longest ago.
  void show_health();

  /// While it lives, changes of state appear in the status, and what a watchdog has to say.
  class Shown {
   public:
    Shown(RunWatch& watch, RunStatus& status) : watch_(watch) { watch.show_in(&status); }
    ~Shown() { watch_.show_in(nullptr); }
    Shown(const Shown&) = delete;
    Shown& operator=(const Shown&) = delete;

   private:
    RunWatch& watch_;
  };

  /// While it lives, `tell` is called when the run is ended because it stalls, from another thread;
  /// it throws nothing. When it takes longer than two seconds the end does not wait for it.
  class OnStall {
   public:
    OnStall(RunWatch& watch, std::function<void(const std::string&)> tell) : watch_(watch) {
      watch.call_on_stall(std::move(tell));
    }
    ~OnStall() { watch_.call_on_stall({}); }
    OnStall(const OnStall&) = delete;
    OnStall& operator=(const OnStall&) = delete;

   private:
    RunWatch& watch_;
  };

  /// A state for a while.
  class Phase {
   public:
    Phase(RunWatch& watch, RunState state) : watch_(watch), before_(watch.state_) {
      watch.enter(state);
    }
    ~Phase() { watch_.enter(before_); }
    Phase(const Phase&) = delete;
    Phase& operator=(const Phase&) = delete;

   private:
    RunWatch& watch_;
    RunState before_;
  };

 private:
  comm::WatchdogOptions watchdog_options(const config::RunConfig& config);
  void show_in(RunStatus* status);
  void call_on_stall(std::function<void(const std::string&)> tell);
  void tell_stall(const std::string& message);

  comm::World& world_;
  StopWatcher stop_;
  RunState state_ = RunState::kStarting;
  std::mutex mutex_;  // of the next two
  RunStatus* status_ = nullptr;
  std::function<void(const std::string&)> on_stall_;
  comm::Watchdog watchdog_;  // its thread uses all of the above
};

}  // namespace lckv::train
