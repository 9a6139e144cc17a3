#include "lckv/cli/rank_watch.h"

#include "lckv/base/activity.h"
#include "lckv/base/stop_signal.h"

namespace lckv::cli {

RankWatch::RankWatch(comm::World& world, const Options& options)
    : stop_(stop_requested(), {.who = world.describe_rank(),
                               .phase = [] { return std::string(current_activity().phase); },
                               .then = options.then}),
      watchdog_(world, watchdog_options(options.stall_timeout_s)) {}

comm::WatchdogOptions RankWatch::watchdog_options(double stall_timeout_s) {
  comm::WatchdogOptions options = stall_options(stall_timeout_s);
  options.stop_here = [] { return stop_requested().load(); };
  options.on_stop_elsewhere = [this](int rank) { stop_.stop_elsewhere(rank); };
  return options;
}

comm::WatchdogOptions stall_options(double stall_timeout_s) {
  comm::WatchdogOptions options;
  options.stall_timeout_s = stall_timeout_s;
  return options;
}

}  // namespace lckv::cli
