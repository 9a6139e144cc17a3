#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(BenchOps, TimesTheKernelsAtTheShapesOfARunFile) {
  const fs::path folder = fresh_folder("bench_ops");
  const std::string json = (folder / "ops.json").string();
  const std::string arguments = "bench ops --config " + tiny_run_file(folder) +
                                " --device cpu --precision fp32 --threads 1 --seconds 0.001";
  const Outcome outcome = run_lckv(arguments + " --json " + json);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  for (const char* const words : {"2 x 32 tokens; C 32, F 48, V 258, 4/2 heads of 8",
                                  "ceilings: copy ", "attention_backward", "64 x 32 -> 96"}) {
    EXPECT_THAT(outcome.output, HasSubstr(words));
  }
  EXPECT_TRUE(fs::exists(json));
  EXPECT_FALSE(fs::exists(folder / "run"));

  const Outcome refused = run_lckv(arguments + " --rows 33");
  EXPECT_EQ(refused.exit_code, 2) << refused.output;
  EXPECT_THAT(refused.output, HasSubstr("--rows 33 is not a multiple of the sequences' 32 tokens"));
}

}  // namespace
}  // namespace lckv::test
