#include <algorithm>
#include <cstdio>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/base/random.h"
#include "lone_run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "stop_at_step.h"
#include "tiny_run.h"

// A run that is stopped anywhere and started again, however often, leaves what the uninterrupted
// run leaves: the same metrics line by line, the same last state byte by byte.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

/// Whether each step's update was applied, from step 1 on.
std::vector<bool> applied_steps(const std::string& output) {
  std::vector<bool> applied;
  for (const auto& row : metrics_of(output)) {
    if (row.contains("updated")) applied.push_back(row.at("updated") == 1);
  }
  return applied;
}

bool skips_an_update(const std::string& output) {
  const std::vector<bool> applied = applied_steps(output);
  return std::find(applied.begin(), applied.end(), false) != applied.end();
}

class InterruptedRun : public testing::Test {
 protected:
  InterruptedRun()
      : folder_(fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name())),
        run_(tiny_run(folder_)) {
    set_log_quiet(true);
    run_.output = (folder_ / "uninterrupted").string();
    run_.model.hidden_size = 16;
    run_.model.intermediate_size = 16;
    run_.model.num_hidden_layers = 3;
    run_.model.layer_types = "0_2_2";
    run_.train.steps = 60;  // an epoch has about 50
    run_.train.sequences_per_step = 4;
    run_.train.micro_batch_sequences = 1;
    run_.validation.every_steps = 7;
    run_.validation.tokens = 1024;
    run_.checkpoint.every_steps = 10;
    run_.checkpoint.keep_last = 2;
    run_.checkpoint.keep_best = true;
  }
  ~InterruptedRun() override {
    set_log_quiet(false);
    fs::remove_all(folder_);
  }

  /// Spikes are common: what lies a little above the last few steps.
  void skip_spikes() {
    run_.guards.skip_spikes = true;
    run_.guards.spike_window_steps = 8;
    run_.guards.spike_deviations = 2;
  }

  config::RunConfig named(const std::string& name) const {
    config::RunConfig run = run_;
    run.output = (folder_ / name).string();
    return run;
  }

  void expect_as_uninterrupted(const config::RunConfig& run, const std::string& what) const {
    EXPECT_EQ(timeless_metrics(run.output), timeless_metrics(run_.output)) << what;
    const int64_t last = run_.train.steps;
    EXPECT_EQ(state_difference(state_of(run.output, last), state_of(run_.output, last)), "")
        << what;
  }

  /// Another run with everything that one has at a step: its saved state, and metrics that have
  /// gone further.
  config::RunConfig copy_at(int64_t step, const std::string& from) const {
    const config::RunConfig run = named(format("from-{}", step));
    fs::create_directories(run.output);
    fs::copy(state_of(from, step), state_of(run.output, step), fs::copy_options::recursive);
    fs::copy_file(from + "/metrics.jsonl", run.output + "/metrics.jsonl");
    return run;
  }

  /// Continues wherever the uninterrupted run begins or ends to leave updates out, from just before
  /// and just after that step.
  void expect_to_continue_around_skips() {
    const std::string dense = save_every_step();
    const std::vector<bool> applied = applied_steps(run_.output);
    const auto end = record_of(state_of(run_.output, run_.train.steps)).position;
    EXPECT_EQ(end.skipped, std::count(applied.begin(), applied.end(), false));
    EXPECT_EQ(end.updates, std::count(applied.begin(), applied.end(), true));
    std::set<int64_t> steps;
    for (size_t i = 1; i + 1 < applied.size(); ++i) {
      const auto before = static_cast<int64_t>(i);
      if (applied[i] != applied[i - 1]) steps.insert({before, before + 1});
    }
    for (const int64_t step : steps) {
      const config::RunConfig run = copy_at(step, dense);
      train_alone(run);
      expect_as_uninterrupted(run, format("continued after step {}", step));
    }
    std::printf("continued after %d steps at or beside updates that were left out: %s\n",
                static_cast<int>(steps.size()), testing::PrintToString(steps).c_str());
  }

  /// The uninterrupted run with all its states.
  std::string save_every_step() const {
    config::RunConfig run = named("dense");
    run.checkpoint.every_steps = 1;
    run.checkpoint.keep_last = 0;
    train_alone(run);
    return run.output;
  }

  fs::path folder_;
  config::RunConfig run_;
};

/// How often a run was stopped so far, and where.
struct Stops {
  std::vector<int64_t> steps;
  int in_validation = 0;
};

/// Stops the run shortly after each of these steps, and lets it end.
void interrupt(const config::RunConfig& run, const std::vector<int64_t>& steps,
               const CounterRng& rng, Stops& stops) {
  for (const int64_t step : steps) {
    const auto after =
        std::chrono::microseconds(rng.below(1000 + static_cast<uint64_t>(step), 3000));
    const StopAtStep stopper(run.output, step, after);
    const train::RunResult result = train_alone(run, stopper.asked());
    if (!result.stopped) return;  // was too far already
    stops.steps.push_back(result.step);
    stops.in_validation += record_of(state_of(run.output, result.step)).position.validation_due;
  }
  EXPECT_FALSE(train_alone(run).stopped);
}

TEST_F(InterruptedRun, AtTwentyRandomStepsEndsAsTheUninterruptedOne) {
  skip_spikes();
  train_alone(run_);
  EXPECT_TRUE(skips_an_update(run_.output));
  constexpr uint64_t kSeed = 20;
  const CounterRng rng(kSeed, 1);
  Stops stops;
  for (uint64_t trial = 0; stops.steps.size() < 20 && trial < 40; ++trial) {
    std::vector<int64_t> steps;
    for (uint64_t i = 0; i < 1 + trial % 4; ++i) {
      const auto step = static_cast<int64_t>(1 + rng.below(10 * trial + i, 55));
      steps.push_back(i % 2 == 0 ? step : step / 7 * 7 + 7);  // every other before a validation
    }
    std::sort(steps.begin(), steps.end());
    const config::RunConfig run = named(format("trial-{}", trial));
    interrupt(run, steps, rng, stops);
    expect_as_uninterrupted(run, format("stopped after {}", testing::PrintToString(steps)));
  }
  EXPECT_GE(stops.steps.size(), 20u);
  EXPECT_GT(stops.in_validation, 0);
  std::printf("seed %d: stopped %d times, of these %d inside a validation, at steps %s\n",
              static_cast<int>(kSeed), static_cast<int>(stops.steps.size()), stops.in_validation,
              testing::PrintToString(stops.steps).c_str());
}

TEST_F(InterruptedRun, JustAfterASkippedSpikeEndsAsTheUninterruptedOne) {
  skip_spikes();
  run_.train.steps = 40;
  train_alone(run_);
  EXPECT_TRUE(skips_an_update(run_.output));
  expect_to_continue_around_skips();
}

/// Whether an update was left out and a later one applied.
bool recovers(const std::vector<bool>& applied) {
  const auto skipped = std::find(applied.begin(), applied.end(), false);
  return std::find(skipped, applied.end(), true) != applied.end();
}

/// A learning rate at which some gradients overflow and others do not.
TEST_F(InterruptedRun, JustAfterANonFiniteStepEndsAsTheUninterruptedOne) {
  run_.train.steps = 30;
  run_.train.sequences_per_step = 2;
  run_.schedule.kind = config::Schedule::kConstant;
  run_.optimizer.weight_decay = 0;
  run_.guards.max_nonfinite_steps = 1000;
  run_.checkpoint.keep_best = false;
  for (const double lr : {20., 25., 15., 30., 35., 40., 50., 60., 10., 80.}) {
    fs::remove_all(run_.output);
    run_.optimizer.lr = lr;
    train_alone(run_);
    if (recovers(applied_steps(run_.output))) break;
  }
  ASSERT_TRUE(recovers(applied_steps(run_.output)));
  expect_to_continue_around_skips();
}

/// The state that stands while its validation is due is replaced by one that has it.
TEST_F(InterruptedRun, InItsLastValidationMakesUpForItOnce) {
  run_.train.steps = 14;
  train_alone(run_);
  const config::RunConfig run = named("interrupted");
  const StopAtStep stopper(run.output, 14, std::chrono::microseconds(0));
  const train::RunResult stopped = train_alone(run, stopper.asked());
  EXPECT_TRUE(stopped.stopped);
  EXPECT_TRUE(record_of(state_of(run.output, 14)).position.validation_due);
  // A run that was killed before it had saved what it made up for.
  const config::RunConfig killed = copy_at(14, run.output);
  for (int start = 0; start < 3; ++start) {
    EXPECT_FALSE(train_alone(run).stopped);
    expect_as_uninterrupted(run, format("start {}", start));
  }
  fs::copy_file(run.output + "/metrics.jsonl", killed.output + "/metrics.jsonl",
                fs::copy_options::overwrite_existing);
  EXPECT_FALSE(train_alone(killed).stopped);
  expect_as_uninterrupted(killed, "killed");
}

/// What must be seen: metrics with a line twice, or a line too few, and a state of another run.
TEST_F(InterruptedRun, DifferencesAreSeen) {
  run_.train.steps = 7;
  train_alone(run_);
  config::RunConfig other = named("other");
  other.train.seed = 43;
  train_alone(other);
  EXPECT_NE(state_difference(state_of(other.output, 7), state_of(run_.output, 7)), "");
  EXPECT_NE(timeless_metrics(other.output), timeless_metrics(run_.output));
  const std::vector<std::string> lines = timeless_metrics(run_.output);
  std::ofstream(run_.output + "/metrics.jsonl", std::ios::app) << lines.back() << "\n";
  EXPECT_NE(timeless_metrics(run_.output), lines);
}

}  // namespace
}  // namespace lckv::test
