#pragma once

#include <optional>

#include "lckv/train/run_report.h"
#include "lckv/train/run_setup.h"

namespace lckv::train {

/// How a GPU's kernels are chosen, before the first of them runs: attention as the configuration
/// says, matrix products by the fastest algorithms that were found for their shapes, in this run or
/// before (ops::set_gemm_tuning), or cuBLASLt's first proposals where there is no folder to keep
/// them in.
///
///   folder   "": only the file that the configuration names
void choose_kernels(const config::RunConfig& config, const std::string& folder, Device device,
                    int rank);

/// All tensors of a run on one rank: planned and printed, then allocated.
class RunMemory {
 public:
  /// Plans, and prints the plan. `ranks` outlive this object.
  RunMemory(const config::RunConfig& config, DType dtype, const comm::Communicators& ranks,
            Device device = {});

  /// Measures the matmul rate while the memory is still free, then allocates and prepares.
  void allocate(Stream& stream);

  RunObjects& objects() { return *objects_; }
  const RunRates& rates() const { return rates_; }
  int64_t planned_bytes() const { return plan_.bytes(); }

 private:
  const config::RunConfig& config_;
  DType dtype_;
  const comm::Communicators& ranks_;
  Arena plan_;
  RunRates rates_;
  std::optional<Arena> arena_;  // outlives whatever works in it
  std::optional<RunObjects> objects_;
};

}  // namespace lckv::train
