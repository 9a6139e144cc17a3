#include "lckv/comm/launch.h"

#include <map>

#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"

namespace lckv::comm {
namespace {

Launch launch_of(const std::map<std::string, std::string>& environment) {
  return read_launch([&](const char* name) {
    const auto found = environment.find(name);
    return found == environment.end() ? nullptr : found->second.c_str();
  });
}

TEST(Launch, IsAloneWithoutALauncher) {
  EXPECT_FALSE(launch_of({}).together);
  // A batch script's own processes see the job, but no step.
  EXPECT_FALSE(launch_of({{"SLURM_JOB_ID", "7"}, {"SLURM_NTASKS", "4"}}).together);
  EXPECT_FALSE(launch_of({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "1"}}).together);
}

TEST(Launch, BelievesOpenMpiBeforeSlurm) {
  const Launch launch = launch_of({{"OMPI_COMM_WORLD_SIZE", "2"},
                                   {"PMIX_RANK", "1"},
                                   {"SLURM_STEP_ID", "0"},
                                   {"SLURM_STEP_NUM_TASKS", "8"}});
  EXPECT_TRUE(launch.together);
  EXPECT_EQ(launch.tasks, 2);
}

TEST(Launch, CountsTheTasksOfAStep) {
  const Launch launch =
      launch_of({{"PMIX_RANK", "1"}, {"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "8"}});
  EXPECT_TRUE(launch.together);
  EXPECT_EQ(launch.tasks, 8);
  EXPECT_EQ(launch_of({{"PMI_RANK", "0"}, {"PMI_SIZE", "3"}}).tasks, 3);
  EXPECT_EQ(launch_of({{"PMIX_RANK", "0"}}).tasks, 0);
}

TEST(Launch, RefusesAStepWhoseTasksCannotMeet) {
  test::expect_refusal<CommError>(
      [] {
        launch_of({{"SLURM_STEP_ID", "0"}, {"SLURM_STEP_NUM_TASKS", "4"}});
      },
      "srun started 4 tasks that cannot find one another, so each would train alone: start with "
      "srun --mpi=pmix");
}

}  // namespace
}  // namespace lckv::comm
