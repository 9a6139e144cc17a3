#include "lckv/kernels/table.h"

#include "lckv/kernels/profile.h"

namespace lckv::ops {

const KernelTable& kernels(Device device) {
  const KernelTable& table = device.kind == DeviceKind::kCpu ? cpu_kernels() : cuda_kernels();
  return is_profiling() ? detail::profiling_table(table) : table;
}

}  // namespace lckv::ops
