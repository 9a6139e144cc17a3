#include "lckv/train/lr_schedule.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "lckv/base/error.h"

namespace lckv::train {

int64_t warmup_steps(const config::ScheduleConfig& schedule, int64_t steps) {
  if (schedule.warmup_steps > 0) return schedule.warmup_steps;
  return static_cast<int64_t>(std::ceil(schedule.warmup_frac * static_cast<double>(steps)));
}

double learning_rate(const config::ScheduleConfig& schedule, double lr, int64_t steps,
                     int64_t step) {
  const int64_t warmup = warmup_steps(schedule, steps);
  if (step < warmup) return lr * static_cast<double>(step + 1) / static_cast<double>(warmup);
  const double final_lr = lr * schedule.final_lr_frac;
  // Progress from 0 at `begin` to 1 at the last step; a decay of a single step is at its end.
  const auto progress = [&](int64_t begin) {
    const int64_t span = steps - 1 - begin;
    return span <= 0 ? 1.0
                     : std::min(1.0, static_cast<double>(step - begin) / static_cast<double>(span));
  };
  switch (schedule.kind) {
    case config::Schedule::kConstant:
      return lr;
    case config::Schedule::kLinear:
      return final_lr + (lr - final_lr) * (1 - progress(warmup));
    case config::Schedule::kCosine:
      return final_lr + (lr - final_lr) * (1 + std::cos(std::numbers::pi * progress(warmup))) / 2;
    case config::Schedule::kWsd: {
      const auto decay =
          static_cast<int64_t>(std::ceil(schedule.decay_frac * static_cast<double>(steps)));
      const int64_t begin = std::max(warmup, steps - 1 - decay);
      return step <= begin ? lr : final_lr + (lr - final_lr) * (1 - progress(begin));
    }
  }
  throw InternalError("unknown learning rate schedule");
}

}  // namespace lckv::train
