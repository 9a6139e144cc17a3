#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lckv/comm/device_times.h"
#include "lckv/comm/nccl_event.h"

namespace lckv::comm {

/// Where one call begins and ends on a device, and where the caller's stream waits for it.
struct TimedCall {
  std::string label;
  bool started = false;  // not blocking
  bool waited = false;   // `before` and `after` have been recorded
  NcclEvent began{EventTime::kTaken}, ended{EventTime::kTaken};
  NcclEvent before{EventTime::kTaken}, after{EventTime::kTaken};

  /// Once the device is through with it.
  DeviceTimes times() const;
};

/// The calls of a group that are timed.
class NcclTimes {
 public:
  /// nullptr where no timeline runs.
  std::shared_ptr<TimedCall> next(const char* label, bool started);
  /// Of all calls since the last time, by label. Waits for them.
  std::map<std::string, DeviceTimes> take();

 private:
  std::vector<std::shared_ptr<TimedCall>> calls_;
};

}  // namespace lckv::comm
