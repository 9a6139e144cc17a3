#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lckv/comm/world.h"

namespace lckv::comm {

/// Called from the watchdog's thread; none may throw, and those of a run that goes on must be
/// short. Each may be empty.
struct WatchdogOptions {
  double stall_timeout_s = 600;  // a collective that is under way for longer; 0: stalls are not
                                 // looked for
  std::string stacks_folder;  // receives `stacks-rank-00002.txt` of every rank; "": only ranks that
                              // lag write theirs, to stderr
  /// Whether this rank was told to stop. Asked twenty times a second until it says so.
  std::function<bool()> stop_here;
  /// Another rank was told to stop, before this one was. At most once.
  std::function<void(int rank)> on_stop_elsewhere;
  /// On the rank that speaks, between the message and the end of all: a last chance to note it.
  std::function<void(const std::string& message)> on_stall;
};

/// How one rank is doing, as far as it is known here.
struct RankHealth {
  int rank = 0;
  bool heard = false;  // a record of it has come; if not, only age_s means anything
  bool left = false;   // its watch has ended
  double age_s = 0;    // since its newest record came
  std::string host;    // as below: what that record says
  int64_t pid = 0;
  std::string phase;     // base/activity.h
  double idle_s = 0;     // since its last progress
  int64_t progress = 0;  // how often it made some
};

/// Watches over the ranks of a world from a thread of its own, so that it works however long the
/// main threads compute, read, or hang.
///
/// Every rank tells two of them, the first and the last (mostly on different machines), four times
/// a second what it does: phase, progress, where it stands in each group's collectives. No message
/// waits for a rank. From these records comes
///
/// - the report of a stall (stall.h): when a collective is under way for longer than
///   stall_timeout_s, the ranks that it waits for are named on stderr with the reason, all ranks
///   write their stacks, and World::abort ends all with kComm. The first rank speaks, or the last
///   where that one does not answer. A rank that is late but makes progress is waited for;
/// - the news that some rank was told to stop, on all others within half a second;
/// - health().
///
/// Time in which this process itself was stopped (SIGSTOP, a suspended job) does not count. In a
/// world of one nothing runs, and health() tells of this process alone.
class Watchdog {
 public:
  /// In the main thread, whose stack it will ask for; after World::join. All ranks of a world have
  /// the same watchdogs in the same order, one at a time; they do not wait for each other.
  ///
  ///   world   outlives it
  Watchdog(World& world, WatchdogOptions options);
  /// Tells the others that this rank is watched no longer, and waits for none of them.
  ~Watchdog();
  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

  /// By rank, on the first and on the last rank: the others know of themselves alone. From any
  /// thread.
  std::vector<RankHealth> health() const;

 private:
  class Watch;
  std::unique_ptr<Watch> watch_;
};

}  // namespace lckv::comm
