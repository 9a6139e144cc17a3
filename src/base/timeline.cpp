#include "lckv/base/timeline.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <tuple>

namespace lckv {

namespace {

struct Recorder {
  std::atomic<bool> runs{false};
  std::mutex mutex;
  double started_s = 0;
  std::vector<TimelineSpan> spans;
};

Recorder& recorder() {
  static Recorder instance;
  return instance;
}

thread_local const char* lane_of_this_thread = "main";

}  // namespace

void start_timeline() {
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  r.spans.clear();
  r.started_s = timeline_now_s();
  r.runs = true;
}

std::vector<TimelineSpan> stop_timeline() {
  Recorder& r = recorder();
  std::vector<TimelineSpan> spans;
  {
    const std::lock_guard lock(r.mutex);
    r.runs = false;
    spans.swap(r.spans);
  }
  std::stable_sort(spans.begin(), spans.end(), [](const TimelineSpan& a, const TimelineSpan& b) {
    return std::tie(a.lane, a.begin_s) < std::tie(b.lane, b.begin_s);
  });
  return spans;
}

bool timeline_runs() { return recorder().runs.load(std::memory_order_relaxed); }

void name_timeline_lane(const char* name) { lane_of_this_thread = name; }

TimelineScope::TimelineScope(const char* name, const char* category)
    : name_(name), category_(category), begin_s_(timeline_runs() ? timeline_now_s() : -1) {}

TimelineScope::~TimelineScope() {
  if (begin_s_ < 0) return;
  const double end_s = timeline_now_s();
  Recorder& r = recorder();
  const std::lock_guard lock(r.mutex);
  // A span that outlived its timeline belongs to none, least of all to the next one.
  if (!r.runs || begin_s_ < r.started_s) return;
  r.spans.push_back({name_, category_, lane_of_this_thread, begin_s_, end_s});
}

double timeline_now_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace lckv
