#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(BenchCheckpoint, SaysWhatASaveCostsAndLeavesItsNumbersAlone) {
  const fs::path folder = fresh_folder("bench_checkpoint");
  const std::string json = (folder / "bench.json").string();
  const Outcome outcome =
      run_lckv("bench checkpoint " + tiny_run_file(folder) + " --steps 2 --saves 1 --json " + json);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  for (const char* const words : {"synchronous ", "GB/s; a memory copy: ", "lost per save",
                                  "checked         2 states: loaded again"}) {
    EXPECT_THAT(outcome.output, HasSubstr(words));
  }
  EXPECT_TRUE(fs::exists(json));
  EXPECT_FALSE(fs::exists(folder / "run"));
}

TEST(BenchCheckpoint, AFullFolderIsRefused) {
  const fs::path folder = fresh_folder("bench_checkpoint_full");
  const Outcome outcome =
      run_lckv("bench checkpoint " + tiny_run_file(folder) + " --folder " + folder.string());
  EXPECT_EQ(outcome.exit_code, 4) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr(folder.string() + ": is not empty"));
}

TEST(BenchCheckpoint, ASignalEndsItAndNothingStays) {
  const fs::path folder = fresh_folder("bench_checkpoint_signal");
  const auto is_saving = [&] { return fs::exists(folder / "saves"); };
  const Outcome outcome =
      run_and_signal("bench checkpoint " + tiny_run_file(folder) + " --saves 1000000 --folder " +
                         (folder / "saves").string(),
                     SIGTERM, is_saving, folder / "log");
  EXPECT_EQ(outcome.exit_code, 130) << outcome.output;
  EXPECT_FALSE(fs::exists(folder / "saves"));
}

}  // namespace
}  // namespace lckv::test
