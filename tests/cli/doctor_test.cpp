#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "program.h"

namespace lckv::test {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const std::string kTwoRanks =
    "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_NUM_THREADS=1 timeout 60 mpirun "
    "--oversubscribe --bind-to none --mca btl self,vader -n 2";

TEST(Doctor, ThisMachineCanTrain) {
  const Outcome quick = run_lckv("doctor --quick");
  EXPECT_EQ(quick.exit_code, 0) << quick.output;
  for (const char* const part :
       {"kernels", "oneDNN", "HDF5", "RAM", "mpirun", "file system", "lckv can train here"}) {
    EXPECT_THAT(quick.output, HasSubstr(part));
  }
}

TEST(Doctor, MeasuresWithinItsTimeAndPrintsNumbersAsJson) {
  const Outcome outcome = run_lckv("doctor --json --seconds 0.5");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  const json all = json::parse(outcome.output);
  EXPECT_EQ(all.at("can_train"), true);
  double flops_per_s = 0;
  for (const json& finding : all.at("findings")) {
    if (finding.at("name") == "cpu matmul fp32") {
      flops_per_s = finding.at("numbers").at("flops_per_s");
    }
  }
  EXPECT_GT(flops_per_s, 1e8);
}

TEST(Doctor, AFolderThatIsTooSmallEndsWithOne) {
  const Outcome outcome = run_lckv("doctor --quick --need-gib 100000000");
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.output, HasSubstr("lckv cannot train here: disk free"));
}

TEST(Doctor, ComparesRanksAndSaysItOnce) {
  const auto folder = fresh_folder("doctor_nodes");
  const Outcome outcome = run_lckv(
      "doctor --nodes --json --seconds 0.5 --min-rate-frac 0 --output " + (folder / "run").string(),
      kTwoRanks);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  // Open MPI may have things to say before it.
  const json all = json::parse(outcome.output.substr(outcome.output.find("\n{") + 1));
  EXPECT_EQ(all.at("ranks").size(), 2U);
  EXPECT_GT(all.at("bus_bytes_per_s"), 0);
  EXPECT_THAT(files_in(folder), testing::IsEmpty());
}

TEST(Doctor, ANodeWithTooLittleRoomEndsAllWithOne) {
  const auto folder = fresh_folder("doctor_small");
  const Outcome outcome =
      run_lckv("doctor --nodes --seconds 0.3 --min-rate-frac 0 --need-gib 100000000 --output " +
                   folder.string(),
               kTwoRanks);
  EXPECT_EQ(outcome.exit_code, 1) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("limit"));
}

TEST(Doctor, RefusesWhatCannotBeMeant) {
  const std::pair<const char*, int> cases[] = {
      {"doctor --seconds 0", 2},         {"doctor --seconds x", 2},
      {"doctor --quick --nodes", 2},     {"doctor --quick --seconds 1", 2},
      {"doctor --min-rate-frac 0.5", 2}, {"doctor --nodes --min-rate-frac 2", 2},
      {"doctor --need-gib -1", 2},       {"doctor --nodes --need-gib 1", 2},
      {"doctor --quick --output ''", 3}, {"doctor extra", 2}};
  for (const auto& [arguments, exit_code] : cases) {
    const Outcome outcome = run_lckv(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << ": " << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr("lckv: ")) << arguments;
  }
  const Outcome several = run_lckv("doctor --quick", kTwoRanks);
  EXPECT_EQ(several.exit_code, 2);
  EXPECT_THAT(several.output, HasSubstr("runs in one process, 2 were started"));
}

}  // namespace
}  // namespace lckv::test
