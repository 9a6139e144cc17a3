#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

struct SlurmFacts {
  std::string srun;      // where it is; "": not in PATH
  int exit_code = 0;     // of srun --mpi=list
  std::string mpi_list;  // what that printed
};

SlurmFacts read_slurm();
std::vector<Finding> judge_slurm(const SlurmFacts& slurm);

}  // namespace lckv::doctor
