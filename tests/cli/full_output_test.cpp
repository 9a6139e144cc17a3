#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

// Results that cannot be printed.

namespace lckv::test {
namespace {

const char* const kMessage = "lckv: standard output: cannot be written: No space left on device\n";

/// What it says on stderr while its results go nowhere.
Outcome run_onto_full_disk(const std::string& arguments, const std::string& prefix = "") {
  return run_shell("( " + prefix + " " LCKV_BINARY " " + arguments + " > /dev/full )");
}

TEST(FullOutput, IsAnErrorOfTheFileSystemSaidOnceForResultsOfAnyLength) {
  const std::filesystem::path folder = fresh_folder("full_output");
  const std::string run = tiny_run_file(folder);
  size_t longest = 0, shortest = 1 << 20;
  for (const std::string& command :
       {std::string("--version"), std::string("train --help"), "plan " + run,
        std::string("completion bash"), std::string("completion zsh")}) {
    const size_t size = run_lckv(command).output.size();
    longest = std::max(longest, size);
    shortest = std::min(shortest, size);
    const Outcome outcome = run_onto_full_disk(command);
    EXPECT_EQ(outcome.exit_code, 5) << command;
    EXPECT_EQ(outcome.output, kMessage) << command;
  }
  EXPECT_LT(shortest, 100u);
  EXPECT_GT(longest, 8192u);  // beyond what stdio keeps
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace lckv::test
