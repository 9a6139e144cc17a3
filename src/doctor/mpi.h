#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

struct MpiFacts {
  std::string library;         // "Open MPI v4.1.4": what lckv is linked with
  std::string mpirun;          // where it is; "": not in PATH
  std::string mpirun_version;  // "4.1.4"; "" of another launcher
  bool is_root = false;
  bool allows_root = false;  // OMPI_ALLOW_RUN_AS_ROOT and OMPI_ALLOW_RUN_AS_ROOT_CONFIRM are set
  std::string trial;         // "ok", "" (none was made), or why two ranks did not start
};

/// "4.1.4" of "mpirun (Open MPI) 4.1.4", or of orterun; "" of anything else.
std::string version_of_mpirun(const std::string& output);

/// Starts `program --version` on two ranks when `tries` is set.
MpiFacts read_mpi(bool tries, const std::string& program);
std::vector<Finding> judge_mpi(const MpiFacts& mpi);

}  // namespace lckv::doctor
