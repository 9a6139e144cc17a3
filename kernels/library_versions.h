#pragma once

#include <string>

namespace lckv::ops {

/// Versions of the libraries that the kernels call, as they are on this machine.

std::string onednn_version();  // "2.6.3"

/// "13.0": the CUDA that kernels were compiled by; "" in a build without it.
std::string cuda_toolkit_version();

/// "13.1.0". Loads the library. Throws CudaError saying why it cannot be had, in a build without
/// CUDA too.
std::string cublaslt_version();
/// "9.15.1", likewise.
std::string cudnn_version();

}  // namespace lckv::ops
