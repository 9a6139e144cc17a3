#include "lckv/kernels/table.h"

namespace lckv::ops {

const KernelTable& kernels(Device device) {
  return device.kind == DeviceKind::kCpu ? cpu_kernels() : cuda_kernels();
}

}  // namespace lckv::ops
