#pragma once

#include "lckv/config/train.h"

namespace lckv::train {

/// Learning rate of update `step` (0-based) of `steps`, with w warm-up steps:
///
///   step < w                  lr * (step + 1) / w
///   constant                  lr
///   linear, cosine            from lr at step w to final = lr * final_lr_frac at the last step,
///                             with p = (step - w) / (steps - 1 - w):
///                             final + (lr - final) * (1 - p),  final + (lr - final) * (1 + cos(pi
///                                                              p)) / 2
///   wsd                       lr, then linear to final over the last ceil(decay_frac * steps)
///                             steps
double learning_rate(const config::ScheduleConfig& schedule, double lr, int64_t steps,
                     int64_t step);

/// Warm-up steps: warmup_steps, or ceil(warmup_frac * steps).
int64_t warmup_steps(const config::ScheduleConfig& schedule, int64_t steps);

}  // namespace lckv::train
