#include "lckv/kernels/table.h"

namespace lckv::ops {

const KernelTable& cuda_kernels() {
  throw CudaError(
      "built without CUDA: device cuda is not available in this binary; run with device cpu");
}

}  // namespace lckv::ops
