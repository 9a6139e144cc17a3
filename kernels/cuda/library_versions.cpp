#include "lckv/kernels/library_versions.h"

#include <cuda_runtime_api.h>

#include "lckv/base/text.h"
#include "lckv/kernels/cuda/cublaslt_library.h"

namespace lckv::ops {

std::string cuda_toolkit_version() {
  return format("{}.{}", CUDART_VERSION / 1000, CUDART_VERSION % 1000 / 10);
}

std::string cublaslt_version() {
  const size_t version = cuda::cublaslt().get_version();
  return format("{}.{}.{}", version / 10000, version / 100 % 100, version % 100);
}

}  // namespace lckv::ops
