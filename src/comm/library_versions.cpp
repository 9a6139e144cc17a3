#include "lckv/comm/library_versions.h"

#include "lckv/base/text.h"
#include "lckv/comm/mpi_calls.h"
#include "lckv/comm/nccl_communicator.h"

namespace lckv::comm {

std::string mpi_library_version() {
  char text[MPI_MAX_LIBRARY_VERSION_STRING] = "";
  int length = 0;
  check_mpi(MPI_Get_library_version(text, &length), "MPI_Get_library_version");
  return split(split(text, '\n')[0], ',')[0];
}

std::string nccl_library_version() { return nccl_version(); }

}  // namespace lckv::comm
