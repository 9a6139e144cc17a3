#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/finding.h"
#include "lckv/tensor/device.h"
#include "lckv/tensor/dtype.h"

namespace lckv::doctor {

/// As run files call it: "fp32", "bf16", "fp64".
std::string precision_name(DType dtype);

/// FLOP/s of the matmuls of training, forward and backward, at one middling shape, with the threads
/// that the kernels have; measured for about `budget_s`.
double measure_matmul(Device device, DType dtype, double budget_s);

/// Bytes per second that a device moves in its memory, read and written.
double measure_memory(Device device, double budget_s);

/// Bytes per second from pinned host memory to a GPU.
double measure_upload(Device device, double budget_s);

/// All of them on the CPU, and on the first GPU where there is one, within `budget_s` in all. A GPU
/// that fails is a finding.
std::vector<Finding> measure_rates(double budget_s);

}  // namespace lckv::doctor
