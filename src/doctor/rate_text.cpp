#include "lckv/doctor/rate_text.h"

#include "lckv/base/text.h"

namespace lckv::doctor {

std::string flops_text(double flops_per_s) {
  return flops_per_s < 1e12 ? format("{:.1f} GFLOP/s", flops_per_s / 1e9)
                            : format("{:.1f} TFLOP/s", flops_per_s / 1e12);
}

std::string bytes_text(double bytes_per_s) {
  return format("{:.{}f} GB/s", bytes_per_s / 1e9, bytes_per_s < 1e10 ? 2 : 1);
}

}  // namespace lckv::doctor
