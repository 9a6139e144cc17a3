#include "lckv/comm/launch.h"

#include <cstdlib>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::comm {

Launch read_launch(const std::function<const char*(const char*)>& variable) {
  const auto has = [&](const char* name) { return variable(name) != nullptr; };
  const auto number = [&](const char* name) { return has(name) ? std::atoi(variable(name)) : 0; };
  if (has("OMPI_COMM_WORLD_SIZE")) {
    return {.together = true, .tasks = number("OMPI_COMM_WORLD_SIZE"), .launcher = "mpirun"};
  }
  const int step_tasks = has("SLURM_STEP_ID") ? number("SLURM_STEP_NUM_TASKS") : 0;
  const bool wired = has("PMIX_RANK") || has("PMI_RANK");
  if (step_tasks > 1 && !wired) {
    throw CommError(
        format("srun started {} tasks that cannot find one another, so each would train alone: "
               "start with srun --mpi=pmix",
               step_tasks));
  }
  if (!wired) return {};
  if (step_tasks > 0) return {.together = true, .tasks = step_tasks, .launcher = "srun"};
  return {.together = true, .tasks = number("PMI_SIZE"), .launcher = "the launcher"};
}

}  // namespace lckv::comm
