#pragma once

#include "lckv/model/gemm_list.h"
#include "lckv/tensor/device.h"
#include "lckv/tensor/dtype.h"

namespace lckv::train {

/// This machine's matmul rate at a model's own shapes: the peak that utilisations refer to.
struct GemmRate {
  double flops_per_s = 0;
  double measured_s = 0;  // what the measurement took
};

/// Runs every shape of the list for about `seconds` in total (each once uncounted, then at
/// least three times), takes each one's median time and divides the list's FLOPs by the sum of its
/// times. Uses the ops as training does, on operands of its own.
GemmRate measure_gemm_rate(const std::vector<model::Gemm>& gemms, DType dtype, double seconds,
                           Device device = {});

}  // namespace lckv::train
