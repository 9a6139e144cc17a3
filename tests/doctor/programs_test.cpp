#include "lckv/doctor/programs.h"

#include <cstdlib>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/clock.h"

namespace lckv::doctor {
namespace {

using testing::EndsWith;
using testing::HasSubstr;

TEST(Programs, AreFoundInPathOrNot) {
  EXPECT_THAT(find_in_path("sh"), EndsWith("/sh"));
  EXPECT_EQ(find_in_path("lckv-no-such-program"), "");
  EXPECT_THAT(install_command("openmpi-bin"), HasSubstr("openmpi-bin"));
}

TEST(Programs, GiveBothStreamsAndTheExitCode) {
  const ProgramOutcome outcome =
      run_program({"sh", "-c", "echo out; echo err >&2; echo $A; exit 3"}, 10, {"A=b"});
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.output, "out\nerr\nb\n");
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(run_program({"lckv-no-such-program"}, 10).exit_code, 127);
}

TEST(Programs, ThatHangAreEndedWithTheirChildren) {
  const Stopwatch watch;
  const ProgramOutcome outcome = run_program({"sh", "-c", "echo begun; sleep 30 & sleep 30"}, 0.3);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.output, "begun\n");
  EXPECT_LT(watch.elapsed_s(), 10);
}

TEST(Programs, ThatHangAfterClosingTheirOutputAreEndedToo) {
  const Stopwatch watch;
  const ProgramOutcome outcome =
      run_program({"sh", "-c", "echo begun; exec >&- 2>&-; sleep 30"}, 0.3);
  EXPECT_TRUE(outcome.timed_out);
  EXPECT_EQ(outcome.exit_code, 128 + 9);
  EXPECT_EQ(outcome.output, "begun\n");
  EXPECT_LT(watch.elapsed_s(), 10);
}

TEST(Programs, ThatEndAWhileAfterClosingTheirOutputAreWaitedFor) {
  const ProgramOutcome outcome = run_program({"sh", "-c", "exec >&- 2>&-; sleep 0.2; exit 3"}, 10);
  EXPECT_FALSE(outcome.timed_out);
  EXPECT_EQ(outcome.exit_code, 3);
}

TEST(Programs, HaveThisProcesssEnvironmentWithWhatIsNamedInItsPlace) {
  ASSERT_EQ(setenv("LCKV_TEST_KEPT", "kept", 1), 0);
  ASSERT_EQ(setenv("LCKV_TEST_CHANGED", "old", 1), 0);
  const ProgramOutcome outcome = run_program({"sh", "-c", "env | grep LCKV_TEST_ | sort"}, 10,
                                             {"LCKV_TEST_CHANGED=new", "LCKV_TEST_ADDED=more"});
  EXPECT_EQ(outcome.output, "LCKV_TEST_ADDED=more\nLCKV_TEST_CHANGED=new\nLCKV_TEST_KEPT=kept\n");
  EXPECT_STREQ(getenv("LCKV_TEST_CHANGED"), "old");
}

}  // namespace
}  // namespace lckv::doctor
