#pragma once

#include <string>

namespace lckv::comm {

/// Versions of the libraries that collectives go through, as they are on this machine.

/// "Open MPI v4.1.4". MPI need not have been started.
std::string mpi_library_version();

/// "2.28.9". Throws CudaError saying why it cannot be had, in a build without CUDA too.
std::string nccl_library_version();

}  // namespace lckv::comm
