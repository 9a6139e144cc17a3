#include "lckv/train/run.h"

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/train/run_lock.h"
#include "lone_run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "tiny_run.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using test::train_alone;

class RunTest : public testing::Test {
 protected:
  RunTest() { set_log_quiet(true); }
  ~RunTest() override { set_log_quiet(false); }
};

TEST_F(RunTest, LossFallsAndEveryStepIsInTheMetricsOnce) {
  const config::RunConfig run = test::tiny_run(test::fresh_folder("falls"));
  const RunResult result = train_alone(run);
  EXPECT_EQ(result.step, 8);
  EXPECT_FALSE(result.stopped);
  std::vector<int> steps;
  double first = 0, last = 0;
  for (const auto& row : test::metrics_of(run.output)) {
    if (!row.contains("loss")) continue;
    steps.push_back(row["step"]);
    if (steps.size() == 1) first = row["loss"];
    last = row["loss"];
  }
  EXPECT_THAT(steps, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_LT(last, first - 0.1);
  EXPECT_TRUE(fs::exists(run.output + "/config.yaml"));
}

class ResumeTest : public RunTest, public testing::WithParamInterface<config::Precision> {};

TEST_P(ResumeTest, ContinuedRunEqualsTheUninterruptedOneBitForBit) {
  const fs::path folder = test::fresh_folder("resume");
  config::RunConfig whole = test::tiny_run(folder);
  whole.train.precision = GetParam();
  train_alone(whole);

  // A run that died after step 3: its saved state, and metrics that had already gone further.
  config::RunConfig continued = whole;
  continued.output = (folder / "continued").string();
  fs::create_directories(continued.output);
  fs::copy(whole.output + "/step-00000003", continued.output + "/step-00000003",
           fs::copy_options::recursive);
  fs::copy_file(whole.output + "/metrics.jsonl", continued.output + "/metrics.jsonl");
  train_alone(continued);

  EXPECT_EQ(
      test::differing_tensors(test::state_of(continued.output, 8), test::state_of(whole.output, 8)),
      "");
  EXPECT_EQ(test::timeless_metrics(continued.output), test::timeless_metrics(whole.output));
}

INSTANTIATE_TEST_SUITE_P(Precisions, ResumeTest,
                         testing::Values(config::Precision::kFp32, config::Precision::kBf16),
                         [](const auto& test) {
                           return test.param == config::Precision::kFp32 ? "fp32" : "bf16";
                         });

TEST_F(RunTest, MicroBatchesOfAnySizeGiveTheSameTraining) {
  // Double precision: what differs is the order of sums alone.
  const fs::path folder = test::fresh_folder("micro");
  config::RunConfig run = test::tiny_run(folder);
  run.train.precision = config::Precision::kFp64;
  std::vector<double> losses;
  for (const int64_t B : {4, 2, 1}) {
    run.output = (folder / std::to_string(B)).string();
    run.train.micro_batch_sequences = B;
    losses.push_back(train_alone(run).loss);
  }
  EXPECT_NEAR(losses[1], losses[0], 1e-9 * losses[0]);
  EXPECT_NEAR(losses[2], losses[0], 1e-9 * losses[0]);
}

TEST_F(RunTest, StopBeforeTheFirstStepSavesAndTheSameCommandContinues) {
  const config::RunConfig run = test::tiny_run(test::fresh_folder("stop"));
  const std::atomic<bool> stop{true};
  const RunResult stopped = train_alone(run, stop);
  EXPECT_TRUE(stopped.stopped);
  EXPECT_EQ(stopped.step, 0);
  EXPECT_EQ(train_alone(run).step, 8);
}

TEST_F(RunTest, RefusesToContinueAsAnotherRunAndNamesTheKeys) {
  config::RunConfig run = test::tiny_run(test::fresh_folder("other"));
  train_alone(run);
  run.optimizer.lr = 1e-3;
  run.model.forward_passes = 3;
  run.train.threads = 2;  // may differ
  try {
    train_alone(run);
    FAIL() << "continued";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("optimizer.lr: 0.001, the saved run has 0.003"));
    EXPECT_THAT(error.what(), testing::HasSubstr("model.forward_passes: 3, the saved run has 2"));
    EXPECT_THAT(error.what(), testing::Not(testing::HasSubstr("threads")));
  }
}

TEST_F(RunTest, RefusesToContinueOnOtherTokens) {
  const fs::path folder = test::fresh_folder("other_tokens");
  config::RunConfig run = test::tiny_run(folder);
  train_alone(run);
  test::tiny_store(folder, "train", 99);
  try {
    train_alone(run);
    FAIL() << "continued";
  } catch (const ConfigError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("data.train: tokens"));
  }
}

TEST_F(RunTest, RefusesASecondTrainerInOneFolder) {
  const config::RunConfig run = test::tiny_run(test::fresh_folder("two"));
  const RunLock first(run.output);
  try {
    train_alone(run);
    FAIL() << "trained";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("another process is training in this folder"));
  }
}

TEST_F(RunTest, KeepsTheNewestStatesOnly) {
  config::RunConfig run = test::tiny_run(test::fresh_folder("keep"));
  run.checkpoint.every_steps = 1;
  run.checkpoint.keep_last = 2;
  train_alone(run);
  EXPECT_FALSE(fs::exists(run.output + "/step-00000006"));
  EXPECT_TRUE(fs::exists(run.output + "/step-00000007"));
  EXPECT_TRUE(fs::exists(run.output + "/step-00000008"));
}

TEST_F(RunTest, InterruptedValidationIsMadeUpForWhenTheRunContinues) {
  const config::RunConfig run = test::tiny_run(test::fresh_folder("validation"));
  // Stops when the last step has reached the metrics: inside the final validation.
  std::atomic<bool> stop{false};
  std::jthread watcher([&](const std::stop_token& done) {
    while (!done.stop_requested()) {
      std::ifstream file(run.output + "/metrics.jsonl");
      for (std::string line; std::getline(file, line);) {
        if (line.find("\"step\":8,\"loss\"") != std::string::npos) stop = true;
      }
    }
  });
  train_alone(run, stop);
  watcher.request_stop();
  train_alone(run);
  int validations_of_last_step = 0;
  for (const auto& row : test::metrics_of(run.output)) {
    validations_of_last_step += row["step"] == 8 && row.contains("validation_loss") ? 1 : 0;
  }
  EXPECT_EQ(validations_of_last_step, 1);
}

TEST_F(RunTest, RefusesATokenizerLargerThanTheModel) {
  config::RunConfig run = test::tiny_run(test::fresh_folder("vocabulary"));
  run.model.vocab_size = 200;
  try {
    train_alone(run);
    FAIL() << "trained";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(),
                testing::HasSubstr(
                    "train.h5: made with a tokenizer of 258 tokens, but model.vocab_size is 200"));
  }
  EXPECT_FALSE(fs::exists(run.output));
}

TEST_F(RunTest, DivergingRunStopsWithItsOwnExitCodeAndKeepsTheLastGoodState) {
  config::RunConfig run = test::tiny_run(test::fresh_folder("diverge"));
  run.train.steps = 40;
  run.schedule.kind = config::Schedule::kConstant;
  run.optimizer.clip_norm = 0;
  run.optimizer.lr = 1e30;
  run.guards.max_nonfinite_steps = 2;
  try {
    train_alone(run);
    FAIL() << "did not diverge";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kDiverged);
    EXPECT_THAT(error.what(), testing::HasSubstr("2 steps in a row"));
  }
  // NaN is null, the lines are JSON
  for (const auto& row : test::metrics_of(run.output)) EXPECT_TRUE(row.is_object());
}

}  // namespace
}  // namespace lckv::train
