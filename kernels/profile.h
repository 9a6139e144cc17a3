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

/// Seconds spent in kernels, by kind, summed over all calls.
struct WorkTimes {
  std::array<double, static_cast<size_t>(WorkKind::kCount)> seconds{};
  double total_s() const;
};

/// From now on every op of the CPU backend is timed (two clock reads per op). Not for concurrent
/// callers.
void start_profiling();
/// Stops, returns what was collected since start_profiling().
WorkTimes stop_profiling();

namespace detail {
/// The table whose kernels time those of `timed`.
const KernelTable& profiling_table(const KernelTable& timed);
bool is_profiling();
}  // namespace detail

}  // namespace lckv::ops
