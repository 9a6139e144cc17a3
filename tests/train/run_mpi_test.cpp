#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "grid_run.h"
#include "lckv/base/log.h"
#include "lckv/comm/agreement.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "shared_run.h"

// Whole runs on grids of the world: files, saved states, stops, and what differs between ranks.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

std::map<std::string, std::vector<double>> tensors_of(const std::string& output, int64_t step) {
  std::map<std::string, std::vector<double>> tensors;
  visit_tensors(state_of(output, step), [&](const std::string& name, const View& whole) {
    tensors[name] = values_of(whole);
  });
  return tensors;
}

class RunOnGrid : public testing::Test {
 protected:
  RunOnGrid() { set_log_quiet(true); }
};

void expect_same_states(const std::string& actual, const std::string& expected, int64_t step,
                        double tolerance) {
  const auto ours = tensors_of(actual, step), theirs = tensors_of(expected, step);
  EXPECT_EQ(ours.size(), theirs.size());
  for (const auto& [name, values] : theirs) {
    EXPECT_TRUE(ours.contains(name)) << name;
    if (!ours.contains(name)) continue;
    EXPECT_LE(worst_error(ours.at(name), values), tolerance) << name;
  }
}

TEST_F(RunOnGrid, WritesTheMetricsAndStatesOfOneProcess) {
  const config::RunConfig run = shared_run("grid");
  const std::string alone = run.output + "-alone";
  train_on_first_rank(run, alone);
  for (int tp = 1; tp <= std::min(4, world().size()); tp *= 2) {
    config::RunConfig on_grid = run;
    on_grid.output = run.output + "-tp" + std::to_string(tp);
    on_grid.parallel.tensor = tp;
    const train::RunResult result = train::run_training(world(), on_grid, kNeverStop);
    EXPECT_EQ(result.step, 8);
    if (world().rank() != 0) continue;
    const auto expected = metrics_of(alone), actual = metrics_of(on_grid.output);
    EXPECT_EQ(actual.size(), expected.size());
    for (size_t i = 0; i < std::min(actual.size(), expected.size()); ++i) {
      for (const char* key : {"step", "tokens", "validation_tokens", "lr"}) {
        EXPECT_EQ(actual[i].value(key, -1.0), expected[i].value(key, -1.0)) << key;
      }
      for (const char* key : {"loss", "grad_norm", "validation_loss"}) {
        EXPECT_NEAR(actual[i].value(key, -1.0), expected[i].value(key, -1.0), 1e-9) << key;
      }
    }
    for (const int64_t step : {3, 8}) {
      expect_same_states(on_grid.output, alone, step, 1e-9);
    }
  }
}

constexpr const char* kSaved = "step-00000003";

/// Of one run for another to go on from. Collective.
void copy_state(const std::string& from, const std::string& to) {
  if (world().rank() == 0) {
    fs::create_directories(to);
    fs::copy(fs::path(from) / kSaved, fs::path(to) / kSaved, fs::copy_options::recursive);
  }
  world().all().barrier("copied");
}

TEST_F(RunOnGrid, ContinuesOnAnyOtherGridAndOnItsOwnBitForBit) {
  const config::RunConfig run = shared_run("regrid");
  const std::string alone = run.output + "-alone";
  train_on_first_rank(run, alone);
  // tp of the grid that is stopped after step 3, and of the one that goes on
  std::vector<std::pair<int, int>> pairs = {{1, 2}, {2, 1}, {2, 2}};
  if (world().size() >= 4) pairs.insert(pairs.end(), {{4, 2}, {1, 4}});
  for (const auto& [first, second] : pairs) {
    const std::string name = run.output + format("-{}-{}", first, second);
    config::RunConfig whole = run;
    whole.output = name + "-whole";
    whole.parallel.tensor = first;
    train::run_training(world(), whole, kNeverStop);
    config::RunConfig rest = run;
    rest.output = name;
    rest.parallel.tensor = second;
    copy_state(whole.output, rest.output);
    train::run_training(world(), rest, kNeverStop);
    if (world().rank() != 0) continue;
    expect_same_states(rest.output, alone, 8, 1e-9);
    if (first == second) expect_same_states(rest.output, whole.output, 8, 0);
  }
}

TEST_F(RunOnGrid, ContinuesInBf16OnAnotherGrid) {
  config::RunConfig run = shared_run("bf16");
  run.train.precision = config::Precision::kBf16;
  for (const auto& [first, second] : {std::pair(1, 2), std::pair(2, 1)}) {
    config::RunConfig whole = run;
    whole.output = run.output + format("-{}", first);
    whole.parallel.tensor = first;
    const double uninterrupted = train::run_training(world(), whole, kNeverStop).loss;
    config::RunConfig rest = run;
    rest.output = whole.output + "-rest";
    rest.parallel.tensor = second;
    copy_state(whole.output, rest.output);
    const train::RunResult result = train::run_training(world(), rest, kNeverStop);
    EXPECT_EQ(result.step, 8);
    EXPECT_TRUE(std::isfinite(result.validation_loss));
    // The same run but for what bf16 rounds.
    EXPECT_NEAR(result.loss, uninterrupted, uninterrupted * unit_roundoff(DType::kBF16));
  }
}

TEST_F(RunOnGrid, StopsAsAWholeWhenOneRankIsTold) {
  config::RunConfig run = shared_run("stop");
  run.train.steps = 100000;
  run.checkpoint.every_steps = 0;
  run.validation.every_steps = 0;
  std::atomic<bool> stop{false};
  const bool told = world().rank() == world().size() - 1;
  std::jthread teller([&](const std::stop_token& end) {
    while (told && !stop && !end.stop_requested()) {
      stop = metrics_of(run.output).size() > 3;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
  });
  const train::RunResult result = train::run_training(world(), run, stop);
  teller.request_stop();
  EXPECT_TRUE(result.stopped);
  EXPECT_LT(result.step, 100000);
  const auto steps = comm::gather_texts(world().all(), std::to_string(result.step));
  EXPECT_THAT(steps, testing::Each(steps.front()));
  EXPECT_TRUE(fs::exists(run.output + format("/step-{:08d}/manifest.json", result.step)));
}

std::string message_of(const std::function<void()>& work) {
  try {
    work();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

TEST_F(RunOnGrid, NamesTheRankWhoseConfigurationDiffers) {
  config::RunConfig run = shared_run("config");
  if (world().rank() == 1) run.optimizer.lr = 0.5;
  const std::string message = message_of([&] { train::run_training(world(), run, kNeverStop); });
  EXPECT_THAT(message, testing::AllOf(testing::HasSubstr("rank 1"), testing::HasSubstr("lr"),
                                      testing::HasSubstr("0.5")));
  EXPECT_FALSE(fs::exists(run.output));
}

TEST_F(RunOnGrid, NamesTheRankWhoseDataDiffersOrIsMissing) {
  const config::RunConfig run = shared_run("data");
  const fs::path home = fs::current_path(), folder = fs::path(run.output).parent_path();
  config::RunConfig relative = run;
  relative.data.train = {"train.h5"};
  for (const bool missing : {false, true}) {
    const fs::path own = folder / ("at-" + std::to_string(world().rank()));
    fs::remove_all(own);
    fs::create_directories(own);
    if (world().rank() != 1) fs::copy_file(folder / "train.h5", own / "train.h5");
    if (world().rank() == 1 && !missing) tiny_store(own, "train", 99);
    fs::current_path(own);
    const std::string message =
        message_of([&] { train::run_training(world(), relative, kNeverStop); });
    fs::current_path(home);
    EXPECT_THAT(message, testing::HasSubstr("rank 1")) << missing;
    EXPECT_THAT(message, testing::HasSubstr(missing ? "train.h5" : "training data")) << missing;
  }
}

TEST_F(RunOnGrid, RefusesARankCountThatDoesNotFit) {
  config::RunConfig run = shared_run("fit");
  run.parallel.data = 3;
  EXPECT_THAT(message_of([&] { train::run_training(world(), run, kNeverStop); }),
              testing::HasSubstr("parallel.data"));
  run.parallel = {};
  run.train.sequences_per_step = 7;
  EXPECT_THAT(message_of([&] { train::run_training(world(), run, kNeverStop); }),
              testing::HasSubstr("7"));
}

}  // namespace
}  // namespace lckv::test
