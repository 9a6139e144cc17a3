#pragma once

#include <array>
#include <cstdint>

#include "lckv/kernels/table.h"

namespace lckv::ops {

/// Kinds of work that time is reported by.
enum class WorkKind : int {
  kMatmul,
  kAttention,
  kNorm,
  kElementwise,
  kEmbedding,
  kLoss,
  kOptimizer,
  kCount
};

const char* name(WorkKind kind);

/// Seconds spent in kernels, by kind, summed over all calls; on a GPU by the device's clock.
struct WorkTimes {
  std::array<double, static_cast<size_t>(WorkKind::kCount)> seconds{};
  double total_s() const;
};

/// From now on every op is timed: two clock reads on the CPU, two events in the queue on a GPU. Not
/// for concurrent callers.
void start_profiling();
/// Stops, waits for what was queued, returns what was collected since start_profiling().
WorkTimes stop_profiling();
/// Whether ops are timed, for either of the two: start_profiling() or a timeline.
bool is_profiling();

namespace detail {
/// The table whose kernels time those of `timed`.
const KernelTable& profiling_table(const KernelTable& timed);
}  // namespace detail

}  // namespace lckv::ops
