#include "lckv/base/error.h"
#include "lckv/kernels/library_versions.h"

namespace lckv::ops {

std::string cuda_toolkit_version() { return ""; }
std::string cublaslt_version() { throw CudaError("built without CUDA"); }
std::string cudnn_version() { throw CudaError("built without CUDA"); }

}  // namespace lckv::ops
