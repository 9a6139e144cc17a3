#pragma once

#include <optional>

#include "lckv/model/memory_report.h"
#include "lckv/train/run_report.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

/// All tensors of a run on one rank: planned and printed, then allocated. Its kernels have been
/// chosen.
class RunMemory {
 public:
  /// Plans, and prints the plan. `ranks` outlive this object.
  RunMemory(const config::RunConfig& config, DType dtype, const comm::Communicators& ranks,
            Device device = {});

  /// Measures the matmul rate while the memory is still free, then allocates and prepares.
  void allocate(Stream& stream);

  RunObjects& objects() { return *objects_; }
  const RunRates& rates() const { return rates_; }
  model::MemoryReport planned() const { return model::memory_report(plan_, scratch_); }
  /// Of the tensors, of what evaluates them and, on a GPU, of what kernels and collectives keep
  /// beside them.
  int64_t planned_bytes() const { return plan_.bytes() + scratch_.bytes(); }

 private:
  const config::RunConfig& config_;
  DType dtype_;
  const comm::Communicators& ranks_;
  Arena plan_;
  model::ScratchMemory scratch_;
  RunRates rates_;
  std::optional<Arena> arena_;  // outlives whatever works in it
  std::optional<RunObjects> objects_;
};

}  // namespace lckv::train
