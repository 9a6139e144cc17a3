#include "lckv/kernels/table.h"

#include "lckv/kernels/profile.h"

namespace lckv::ops {

const KernelTable& kernels(Device device) {
  if (device.kind != DeviceKind::kCpu) return cuda_kernels();
  return detail::is_profiling() ? detail::profiling_table(cpu_kernels()) : cpu_kernels();
}

}  // namespace lckv::ops
