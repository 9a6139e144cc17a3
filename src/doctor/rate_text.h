#pragma once

#include <string>

namespace lckv::doctor {

/// "23.8 GFLOP/s", "710.5 TFLOP/s".
std::string flops_text(double flops_per_s);
/// "4.51 GB/s", "403.6 GB/s".
std::string bytes_text(double bytes_per_s);

}  // namespace lckv::doctor
