#pragma once

#include <string>
#include <vector>

namespace lckv {

/// One named piece of work of this process.
struct TimelineSpan {
  std::string name;      // "matmul", "tp mlp out", ...
  std::string category;  // "compute", "collective", "wait"
  std::string lane;      // the thread: "main", "dp started", ...
  double begin_s = 0;    // on a clock that all processes of one machine share
  double end_s = 0;
};

/// From now on spans are recorded (two clock reads each), from any thread.
void start_timeline();
/// Stops, returns what was recorded since start_timeline(), by lane, then by begin.
std::vector<TimelineSpan> stop_timeline();
bool timeline_runs();

/// Names the calling thread in timelines; "main" unless set. `name` must outlive the thread.
void name_timeline_lane(const char* name);

/// Records its own life as a span; costs one load when no timeline runs. `name` and `category` must
/// outlive it.
class TimelineScope {
 public:
  TimelineScope(const char* name, const char* category);
  ~TimelineScope();
  TimelineScope(const TimelineScope&) = delete;
  TimelineScope& operator=(const TimelineScope&) = delete;

 private:
  const char* name_;
  const char* category_;
  double begin_s_;  // < 0: not recorded
};

/// Seconds on the clock of timelines.
double timeline_now_s();

}  // namespace lckv
