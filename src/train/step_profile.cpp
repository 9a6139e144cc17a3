#include "lckv/train/step_profile.h"

#include <map>
#include <string>

#include "lckv/base/error.h"
#include "lckv/base/timeline.h"
#include "lckv/comm/device_times.h"
#include "lckv/train/step_comm.h"

namespace lckv::train {

namespace {

constexpr int64_t kWarmStep = 3;

std::map<std::string, comm::DeviceTimes> take_device_times(const comm::Communicators& ranks) {
  std::map<std::string, comm::DeviceTimes> sum;
  for (const auto* group : {&ranks.world, &ranks.dp, &ranks.tp, &ranks.kv}) {
    if ((*group)->size() == 1) continue;
    for (const auto& [label, times] : comm::take_device_times(**group)) sum[label] += times;
  }
  return sum;
}

}  // namespace

double StepTimes::everything_else_s() const {
  return step_s - work.total_s() - exposed_communication_s.value_or(0);
}

bool is_profiled(const config::WatchConfig& watch, int64_t first_step, int64_t step) {
  if (watch.profile_every_steps == 0) return false;
  return step == first_step + kWarmStep || step % watch.profile_every_steps == 0;
}

StepProfile::StepProfile(const comm::Communicators& ranks, bool on) : ranks_(ranks), on_(on) {
  if (!on_) return;
  ops::start_profiling();
  if (ranks_.grid.ranks() > 1) start_timeline();
}

StepProfile::~StepProfile() {
  if (!on_) return;
  try {
    take(0);
  } catch (const Error&) {  // whatever interrupted the step is told by its own exception
  }
}

StepTimes StepProfile::take(double step_s) {
  on_ = false;
  StepTimes times;
  times.step_s = step_s;
  times.work = ops::stop_profiling();
  if (ranks_.grid.ranks() > 1) {
    times.exposed_communication_s =
        total(measure_comm(stop_timeline(), {}, take_device_times(ranks_))).exposed_s();
  }
  return times;
}

}  // namespace lckv::train
