#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

const std::string kSmall =
    " --device cpu --precision fp32 --threads 1 -r 2 -p 12 -n 5 "
    "--rate-bytes 64KiB --rate-seconds 0.001 ";

TEST(BenchGenerate, MeasuresLayoutsSideBySide) {
  const fs::path folder = fresh_folder("bench_generate");
  const std::string json = (folder / "rows.json").string();
  const std::string command = "bench generate " + tiny_run_file(folder) + kSmall +
                              "--layer-types config --layer-types llama ";
  const Outcome outcome = run_lckv(command + "--batch 2 --shared-prompt --json " + json);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  for (const char* const words :
       {"| run    | 0_3_3_3_4   | pp12 ", "| llama       | pp12+tg5 pps |", "x at equal batch (2)",
        "prefill iterate, 2 repetitions"}) {
    EXPECT_THAT(outcome.output, HasSubstr(words));
  }
  EXPECT_TRUE(fs::exists(json));
  EXPECT_FALSE(fs::exists(folder / "run"));

  const Outcome largest = run_lckv("bench generate" + kSmall +
                                   "--batch auto --memory 400KB -o none --oe jsonl --tests pg " +
                                   tiny_run_file(folder));
  EXPECT_EQ(largest.exit_code, 0) << largest.output;
  EXPECT_THAT(largest.output, HasSubstr("\"memory_limit_bytes\":400000"));
  const Outcome predicted = run_lckv(command + "--predict --memory 400KB");
  EXPECT_EQ(predicted.exit_code, 0) << predicted.output;
  EXPECT_THAT(predicted.output, HasSubstr("Largest batches in 400 000 bytes"));
}

TEST(BenchGenerate, RefusesWithTheNumbers) {
  const fs::path folder = fresh_folder("bench_generate_refused");
  const std::string command = "bench generate " + tiny_run_file(folder) + kSmall;
  struct Refused {
    const char* arguments;
    int exit_code;
    const char* words;
  };
  for (const Refused& refused :
       {Refused{"--layer-types 0_1_2", 3, "has 3 entries, must have one for each of the 5 layers"},
        Refused{"--memory 20KB --batch auto", 3, "20 000 bytes are too few for pp12 of 0_3_3_3_4"},
        Refused{"-n 60", 3,
                "prompt 12 + generated 60 = 72 tokens of a sequence are more than "
                "max_position_embeddings 64"},
        Refused{"--batch auto", 2, "need --memory"}, Refused{"--batch 0", 2, "--batch '0'"},
        Refused{"--prefill 9", 3, "--prefill '9'"}}) {
    const Outcome outcome = run_lckv(command + refused.arguments);
    EXPECT_EQ(outcome.exit_code, refused.exit_code) << outcome.output;
    EXPECT_THAT(outcome.output, HasSubstr(refused.words));
  }
}

}  // namespace
}  // namespace lckv::test
