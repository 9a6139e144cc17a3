#include "lckv/comm/nccl_times.h"

#include <algorithm>
#include <utility>

#include "lckv/base/timeline.h"

namespace lckv::comm {

DeviceTimes TimedCall::times() const {
  ended.synchronize();
  DeviceTimes times;
  const double ran_s = NcclEvent::seconds(began, ended);
  double stood_still_s = 0;
  if (waited) {
    after.synchronize();
    stood_still_s = NcclEvent::seconds(before, after);
  }
  if (!started) {
    times.blocking_s = stood_still_s;
    return times;
  }
  times.waited_s = stood_still_s;
  times.started_s = ran_s;
  times.awaited_s = std::min(ran_s, stood_still_s);  // both end together
  return times;
}

std::shared_ptr<TimedCall> NcclTimes::next(const char* label, bool started) {
  if (!timeline_runs()) return nullptr;
  calls_.push_back(std::make_shared<TimedCall>());
  calls_.back()->label = label;
  calls_.back()->started = started;
  return calls_.back();
}

std::map<std::string, DeviceTimes> NcclTimes::take() {
  std::map<std::string, DeviceTimes> by_label;
  for (const auto& call : std::exchange(calls_, {})) by_label[call->label] += call->times();
  return by_label;
}

}  // namespace lckv::comm
