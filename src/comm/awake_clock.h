#pragma once

#include <atomic>
#include <chrono>
#include <limits>

namespace lckv::comm {

/// Tells time in which this process was stopped (SIGSTOP, a suspended job, a machine that slept)
/// from time in which it ran: what seems old after such a pause has had no chance to change.
class AwakeClock {
 public:
  /// Called several times a second; more than a second between two calls is a pause.
  void look() { look(Clock::now()); }
  void look(std::chrono::steady_clock::time_point now) {
    if (now - last_look_ > std::chrono::seconds(1)) awake_since_ = now;
    last_look_ = now;
  }
  /// Since the last pause; infinite before the first. From any thread.
  double awake_s() const {
    const Clock::time_point since = awake_since_;
    if (since == Clock::time_point{}) return std::numeric_limits<double>::infinity();
    return std::chrono::duration<double>(Clock::now() - since).count();
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point last_look_ = Clock::now();
  std::atomic<Clock::time_point> awake_since_{Clock::time_point{}};
};

}  // namespace lckv::comm
