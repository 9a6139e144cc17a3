#pragma once

#include <map>
#include <string>
#include <vector>

#include "lckv/base/timeline.h"
#include "lckv/comm/communicator.h"
#include "lckv/comm/device_times.h"

namespace lckv::train {

/// Seconds that one rank spent on communication in one step. Over NCCL the main lane is the GPU's
/// queue of computations, which stands still for collectives.
struct CommTimes {
  double blocking_s = 0;  // the main lane ran collectives itself
  double waited_s = 0;    // the main lane waited for started ones to finish
  double started_s = 0;   // started ones ran, in lanes of their own
  double hidden_s = 0;    // of that: while the main lane did not wait for that lane
  double awaited_s = 0;   // of that: while it did

  /// What the step would be shorter by without communication, memory and cores being shared aside.
  double exposed_s() const { return blocking_s + waited_s; }
  CommTimes& operator+=(const CommTimes& other);
};

/// A rank's communication under one label.
struct LabelComm {
  std::string collective;  // "all_reduce", ...
  int64_t calls = 0;
  int64_t sent_bytes = 0;
  bool on_device = false;  // measured there, by its clock
  CommTimes times;
};
using StepComm = std::map<std::string, LabelComm>;  // by label

CommTimes total(const StepComm& comm);

/// What a step's spans say about its collectives, beside what was counted of them; of those that
/// ran over NCCL, whose spans are those of queueing, what the device says instead. Pure.
StepComm measure_comm(const std::vector<TimelineSpan>& spans,
                      const std::map<std::string, comm::Traffic>& traffic,
                      const std::map<std::string, comm::DeviceTimes>& on_device = {});

/// Whether the device has measured any of it.
bool is_measured_on_device(const StepComm& comm);

}  // namespace lckv::train
