#pragma once

#include <string>

#include "lckv/config/run.h"
#include "lckv/tensor/device.h"

namespace lckv::train {

/// How a GPU's kernels are chosen, before the first of them runs: attention as the configuration
/// says, matrix products by the fastest algorithms that were found for their shapes, in this run or
/// before (ops::set_gemm_tuning), or cuBLASLt's first proposals where there is no folder to keep
/// them in.
///
///   folder   "": only the file that the configuration names
void choose_kernels(const config::RunConfig& config, const std::string& folder, Device device,
                    int rank);

/// Attention alone. Throws ConfigError where cuDNN does not compute what is configured, CudaError
/// where there is none.
void choose_attention(const config::RunConfig& config, Device device);

}  // namespace lckv::train
