#pragma once

#include <functional>
#include <string>

namespace lckv::comm {

/// What a launcher told this process through its environment.
struct Launch {
  bool together = false;  // with others, through MPI
  int tasks = 0;          // how many it started; 0: it does not say
  std::string launcher;   // "mpirun", "srun", ...
};

/// Pure: `variable` returns an environment variable or nullptr. Open MPI's variables come first:
/// mpirun inside a Slurm job sees Slurm's too, which then describe the job and not this start.
///
/// Throws CommError for a Slurm step of several tasks that were given no way to find one another.
Launch read_launch(const std::function<const char*(const char*)>& variable);

}  // namespace lckv::comm
