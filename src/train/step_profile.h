#pragma once

#include <optional>

#include "lckv/comm/communicators.h"
#include "lckv/config/watch.h"
#include "lckv/kernels/profile.h"

namespace lckv::train {

/// Where the time of one step of this rank went.
struct StepTimes {
  double step_s = 0;
  ops::WorkTimes work;  // in kernels
  std::optional<double>
      exposed_communication_s;  // of several ranks: what the step would be shorter by
  /// What is left: reading batches, queueing, waiting.
  double everything_else_s() const;
};

/// Whether the step after which `step` are done is profiled, in a process that began after
/// `first_step`: its third one, in which memory and libraries are warm, and those that
/// profile_every_steps divides.
bool is_profiled(const config::WatchConfig& watch, int64_t first_step, int64_t step);

/// Times every op and collective while it lives (kernels/profile.h, base/timeline.h). On a GPU the
/// step runs op by op, not as a recorded graph: it is slower, with the same bits.
class StepProfile {
 public:
  /// Nothing happens unless `on`. `ranks` outlive it.
  StepProfile(const comm::Communicators& ranks, bool on);
  ~StepProfile();
  StepProfile(const StepProfile&) = delete;
  StepProfile& operator=(const StepProfile&) = delete;

  bool is_on() const { return on_; }
  /// What there was since construction, a step of `step_s`. Call once, when the queue is empty.
  StepTimes take(double step_s);

 private:
  const comm::Communicators& ranks_;
  bool on_;
};

}  // namespace lckv::train
