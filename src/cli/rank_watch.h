#pragma once

#include <atomic>
#include <string>

#include "lckv/comm/watchdog.h"
#include "lckv/comm/world.h"
#include "lckv/train/stop_watcher.h"

namespace lckv::cli {

/// What can end a distributed command early, on any rank: a stop signal to one of them, which all
/// hear of, and a rank that the others wait for and that gives no sign of life, which ends all with
/// kComm and is named (comm::Watchdog). For commands that poll stop_requested().
///
/// In the main thread; all ranks make theirs, outside of whatever they may wait for one another in.
class RankWatch {
 public:
  struct Options {
    std::string then;              // what follows a stop: "ending after the token at hand"
    double stall_timeout_s = 600;  // as of WatchdogOptions
  };
  RankWatch(comm::World& world, const Options& options);
  /// Set from the moment when any rank was told to stop, as far as it is known here.
  const std::atomic<bool>& stop() const { return stop_.stop(); }

 private:
  comm::WatchdogOptions watchdog_options(double stall_timeout_s);

  train::StopWatcher stop_;
  comm::Watchdog watchdog_;  // its thread uses the above
};

/// Of a command that ends at the first stop signal: stalls alone are looked for.
comm::WatchdogOptions stall_options(double stall_timeout_s);

}  // namespace lckv::cli
