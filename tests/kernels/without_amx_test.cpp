#include <cstdlib>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"

// Machines without AMX multiply bf16 as f32. oneDNN chooses once per process, so the tests of that
// path run in a child.
namespace lckv {
namespace {

constexpr const char* kLimit = "ONEDNN_MAX_CPU_ISA";

TEST(WithoutAmx, Bf16IsNotFast) {
  if (std::getenv(kLimit) != nullptr || !__builtin_cpu_supports("amx-bf16")) {
    EXPECT_FALSE(ops::cpu_has_fast_bf16());
  }
}

TEST(WithoutAmx, TheSameLawsHold) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe");
  const std::string tests =
      "WithoutAmx.Bf16IsNotFast:Attention.EqualsItsDefinitionUnderEveryCombinationOfMasks:"
      "Attention.GivesExactZeros*:Matmul.AddForward*:Matmul.BackwardInput*";
  const std::string command =
      format("{}=AVX2 '{}' --gtest_filter='{}' --gtest_output= > /dev/null", kLimit, self, tests);
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
}

}  // namespace
}  // namespace lckv
