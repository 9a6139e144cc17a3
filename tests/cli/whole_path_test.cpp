#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

TEST(WholePath, TextBecomesATokenStoreAModelAScoreAndAnExport) {
  const fs::path folder = fresh_folder("whole");
  ASSERT_EQ(tiny_store(folder).exit_code, 0);
  const std::string store = (folder / "train.h5").string(), run = (folder / "run").string();
  const std::string config = tiny_run_file(folder);

  Outcome outcome = run_lckv("inspect " + store);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("every block holds"));

  outcome = run_lckv("plan " + config);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("layers 1-2 read layer 3"));
  EXPECT_FALSE(fs::exists(run));

  outcome = run_lckv("train " + config);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, HasSubstr("saved state of step 6"));

  const Outcome scored =
      run_lckv("eval " + run + " --perplexity " + store + " --threads 1 --precision fp32");
  EXPECT_EQ(scored.exit_code, 0) << scored.output;
  EXPECT_THAT(scored.output, HasSubstr("iterate:4"));

  const std::string hf = (folder / "hf").string();
  outcome = run_lckv("export " + run + " -o " + hf + " --dtype fp32");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(files_in(hf), testing::IsSupersetOf({"config.json", "model.safetensors"}));
  EXPECT_EQ(run_lckv("export " + run + " -o " + hf).exit_code,
            4);  // never over an existing folder unless told

  // The export scores as the run does, to the last digit printed.
  const Outcome exported = run_lckv("eval " + hf + " --perplexity " + store +
                                    " --threads 1 --precision fp32 --sequence-tokens 32");
  EXPECT_EQ(exported.exit_code, 0) << exported.output;
  const auto score = [](const std::string& text) {
    return text.substr(text.find("perplexity"), text.find(" tokens") - text.find("perplexity"));
  };
  EXPECT_EQ(score(exported.output), score(scored.output));

  const Outcome exact = run_lckv("eval " + run + " --perplexity " + store +
                                 " --threads 1 --precision fp32 --forward sequential");
  EXPECT_EQ(exact.exit_code, 0) << exact.output;
  EXPECT_THAT(exact.output, HasSubstr("sequential"));
}

TEST(WholePath, BenchMeasuresATrainingStep) {
  const fs::path folder = fresh_folder("bench");
  const std::string json = (folder / "bench.json").string();
  const Outcome outcome = run_lckv("bench train " + tiny_run_file(folder) +
                                   " --steps 2 --gemm-seconds 0.1 --json " + json);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  for (const char* const word : {"tokens/s", "matmul rate", "planned", "attention"}) {
    EXPECT_THAT(outcome.output, HasSubstr(word));
  }
  EXPECT_TRUE(fs::exists(json));
}

}  // namespace
}  // namespace lckv::test
