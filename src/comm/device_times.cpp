#include "lckv/comm/device_times.h"

namespace lckv::comm {

DeviceTimes& DeviceTimes::operator+=(const DeviceTimes& other) {
  blocking_s += other.blocking_s;
  waited_s += other.waited_s;
  started_s += other.started_s;
  awaited_s += other.awaited_s;
  return *this;
}

}  // namespace lckv::comm
