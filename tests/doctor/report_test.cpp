#include "lckv/doctor/report.h"

#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lckv::doctor {
namespace {

using nlohmann::json;
using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;

const Finding kFine = ok("cpu", "cores", "2 of 2", {{"usable_cores", 2}});
const Finding kWarning = warn("disk", "file system", "nfs", "take another");
const Finding kAbsent = missing("MPI", "mpirun", "not in PATH", "apt-get install openmpi-bin");
const Finding kNeeded = needed("disk", "free", "0 B", "make room");

TEST(Report, AlignsColumnsAndPutsTheActionBelow) {
  EXPECT_EQ(to_text({kFine, kAbsent}),
            "ok       cpu  cores   2 of 2\n"
            "missing  MPI  mpirun  not in PATH\n"
            "                      -> apt-get install openmpi-bin\n"
            "lckv can train here; 1 part missing\n");
}

TEST(Report, EndsWithWhatStopsTraining) {
  EXPECT_THAT(to_text({kFine}), EndsWith("lckv can train here\n"));
  EXPECT_THAT(to_text({kWarning, kWarning}), EndsWith("lckv can train here; 2 warnings\n"));
  EXPECT_THAT(
      to_text({kNeeded, kWarning, kNeeded}),
      EndsWith("lckv cannot train here: disk free; disk free; 1 warning; 2 parts missing\n"));
  EXPECT_TRUE(can_train({kFine, kWarning, kAbsent}));
  EXPECT_FALSE(can_train({kFine, kNeeded}));
}

TEST(Report, JsonHoldsEveryFindingWithItsNumbers) {
  const json all = json::parse(to_json({kFine, kNeeded}));
  EXPECT_EQ(all.at("can_train"), false);
  ASSERT_EQ(all.at("findings").size(), 2U);
  const json& fine = all.at("findings")[0];
  EXPECT_EQ(fine.at("level"), "ok");
  EXPECT_EQ(fine.at("numbers").at("usable_cores"), 2);
  const json& worst = all.at("findings")[1];
  EXPECT_EQ(worst.at("group"), "disk");
  EXPECT_EQ(worst.at("level"), "missing");
  EXPECT_EQ(worst.at("needed"), true);
  EXPECT_EQ(worst.at("action"), "make room");
  EXPECT_EQ(json::parse(to_json({})).at("can_train"), true);
}

TEST(Report, JsonIsValidWhateverStandsInNamesAndNumbers) {
  const double inf = std::numeric_limits<double>::infinity();
  const json all =
      json::parse(to_json({ok("g", "n", "quote \" and \xff and \n", {{"rate", inf}})}));
  EXPECT_THAT(all.at("findings")[0].at("value").get<std::string>(), HasSubstr("quote \" and"));
  EXPECT_TRUE(all.at("findings")[0].at("numbers").at("rate").is_null());
}

}  // namespace
}  // namespace lckv::doctor
