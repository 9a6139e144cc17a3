#include <cuda_runtime_api.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::ops::cuda {

void check_launch(const char* op);

void check_launch(const char* op) {
  const cudaError_t status = cudaGetLastError();
  if (status != cudaSuccess) {
    throw CudaError(
        format("{}: {} ({})", op, cudaGetErrorString(status), cudaGetErrorName(status)));
  }
}

}  // namespace lckv::ops::cuda
