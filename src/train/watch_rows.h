#pragma once

#include <string>
#include <string_view>

#include "lckv/comm/communicator.h"
#include "lckv/model/memory_report.h"
#include "lckv/train/metrics.h"
#include "lckv/train/step_profile.h"

namespace lckv::train {

/// A kind of memory or work as part of a metric's name: "rope, swiglu, casts" is
/// "rope_swiglu_casts".
std::string metric_name(std::string_view kind);

/// The row `memory/planned/<kind>_bytes`, `memory/planned_bytes` of the rank that plans most.
/// Collective; equal on every rank.
///
///   planned   this rank's
MetricsRow planned_memory_row(int64_t step, const model::MemoryReport& planned,
                              comm::Communicator& all);

/// The row `memory/measured_bytes`: the most that a rank took. Collective; equal on every rank.
MetricsRow measured_memory_row(int64_t step, int64_t taken_bytes, comm::Communicator& all);

/// The row `time/<kind>_s`, of one rank.
MetricsRow time_row(int64_t step, const StepTimes& times);

}  // namespace lckv::train
