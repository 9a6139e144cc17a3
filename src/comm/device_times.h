#pragma once

#include <map>
#include <string>

#include "lckv/comm/communicator.h"

namespace lckv::comm {

/// Seconds by a GPU's clock that collectives under one label took. A queue stands still from the
/// moment when it comes to the place where it needs a result until that is there.
struct DeviceTimes {
  double blocking_s = 0;  // the caller's queue stood still for blocking calls
  double waited_s = 0;    // and for started ones, where they were finished
  double started_s = 0;   // started ones ran
  double awaited_s = 0;   // of that: while the caller's queue stood still for them

  DeviceTimes& operator+=(const DeviceTimes& other);
};

/// By label, of what the group has queued over NCCL while a timeline ran (base/timeline.h) since it
/// was last asked; waits until the device is through with it. Nothing for a group without NCCL, and
/// nothing of what was recorded into graphs.
std::map<std::string, DeviceTimes> take_device_times(Communicator& group);

}  // namespace lckv::comm
