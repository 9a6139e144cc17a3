#include <cmath>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "documented_names.h"
#include "evaluated_run.h"
#include "event_reader.h"
#include "lckv/base/log.h"
#include "lckv/train/watch_rows.h"
#include "lone_run.h"
#include "saved_state.h"

// What a run leaves for those who look at it: rows of time and memory, event files, and a document
// that knows every name.

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using test::train_alone;
using testing::ElementsAre;
using testing::HasSubstr;

class WatchedRun : public testing::Test {
 protected:
  WatchedRun()
      : folder_(test::fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name())),
        run_(test::tiny_run(folder_)) {
    set_log_quiet(true);
  }
  ~WatchedRun() override {
    set_log_quiet(false);
    fs::remove_all(folder_);
  }

  config::RunConfig named(const std::string& name) const {
    config::RunConfig run = run_;
    run.output = (folder_ / name).string();
    return run;
  }
  static std::vector<int64_t> steps_with(const config::RunConfig& run, const std::string& name) {
    std::vector<int64_t> steps;
    for (const auto& [step, row] : test::rows_with(run.output, name)) steps.push_back(step);
    return steps;
  }

  fs::path folder_;
  config::RunConfig run_;
};

/// The numbers of metrics.jsonl that TensorBoard does not show alike, and what it shows besides.
std::string difference_from_metrics(const std::string& output) {
  auto shown = test::shown_values(fs::path(output) / "tensorboard");
  shown.erase("config");
  std::string wrong;
  std::map<std::string, std::map<int64_t, json>> rows;
  for (const json& row : test::metrics_of(output)) {
    for (const auto& [name, value] : row.items()) {
      if (name != "step") rows[name][row["step"]] = value;
    }
  }
  for (const auto& [name, points] : rows) {
    for (const auto& [step, value] : points) {
      const json& point = shown[name][step];
      const float told =
          point.is_null() ? -1.0F : std::stof(point["simple_value"][0].get<std::string>());
      const bool is_same = value.is_null() ? !std::isfinite(told) : told == value.get<float>();
      if (!is_same) wrong += format("{} at {}: {}, shown {}\n", name, step, value.dump(), told);
      shown[name].erase(step);
    }
  }
  for (const auto& [name, points] : shown) {
    for (const auto& [step, point] : points) wrong += format("{} at {}: shown alone\n", name, step);
  }
  return wrong;
}

TEST_F(WatchedRun, TrainsTheSameWeightsWithAnyOfItAndWithout) {
  config::RunConfig plain = named("plain"), all = named("all");
  plain.watch = {.tensorboard = false, .profile_every_steps = 0};
  all.watch = {.tensorboard = true, .profile_every_steps = 1};
  train_alone(plain);
  train_alone(all);
  EXPECT_EQ(test::differing_tensors(test::state_of(all.output, 8), test::state_of(plain.output, 8)),
            "");
  EXPECT_EQ(test::timeless_metrics(all.output), test::timeless_metrics(plain.output));
  EXPECT_FALSE(fs::exists(fs::path(plain.output) / "tensorboard"));
  EXPECT_THAT(steps_with(plain, "time/matmul_s"), ElementsAre());
  EXPECT_THAT(steps_with(all, "time/matmul_s"), ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
}

TEST_F(WatchedRun, EventFilesShowTheMetricsAndTheConfiguration) {
  train_alone(run_);
  EXPECT_EQ(difference_from_metrics(run_.output), "");
  const fs::path folder = fs::path(run_.output) / "tensorboard";
  const json config = test::shown_values(folder)["config"][0];
  EXPECT_EQ(config["tensor"][0]["string_val"][0],
            "```yaml\n" + test::bytes_of(run_.output + "/config.yaml") + "```\n");
  // The comparison sees what is missing.
  std::ofstream(run_.output + "/metrics.jsonl", std::ios::app) << "{\"step\": 9, \"loss\": 1}\n";
  EXPECT_THAT(difference_from_metrics(run_.output), HasSubstr("loss at 9"));
}

TEST_F(WatchedRun, ContinuedRunTakesBackTheStepsThatItDoesAgain) {
  train_alone(run_);
  // As if it had died after step 3, with files that had gone further.
  for (const char* const later : {"step-00000006", "step-00000008"}) {
    fs::remove_all(fs::path(run_.output) / later);
  }
  run_.train.log_every_steps = 3;  // so that steps 4, 5 and 7 are not told again
  train_alone(run_);
  const fs::path folder = fs::path(run_.output) / "tensorboard";
  EXPECT_EQ(test::event_files(folder).size(), 2u);
  EXPECT_EQ(difference_from_metrics(run_.output), "");
  auto shown = test::shown_values(folder);
  std::vector<int64_t> steps;
  for (const auto& [step, value] : shown["loss"]) steps.push_back(step);
  EXPECT_THAT(steps, ElementsAre(1, 2, 3, 6, 8));
  EXPECT_THAT(shown["config"][3]["tensor"][0]["string_val"][0].get<std::string>(),
              HasSubstr("log_every_steps: 3"));
  EXPECT_THAT(steps_with(run_, "memory/planned_bytes"), ElementsAre(0, 3));
}

TEST_F(WatchedRun, StartAnewDropsWhatEarlierFilesTold) {
  run_.checkpoint.every_steps = 0;
  train_alone(run_);
  fs::remove_all(fs::path(run_.output) / "step-00000008");
  run_.train.steps = 4;
  run_.schedule.warmup_steps = 1;
  train_alone(run_);
  EXPECT_EQ(difference_from_metrics(run_.output), "");
  EXPECT_THAT(steps_with(run_, "loss"), ElementsAre(1, 2, 3, 4));
}

TEST_F(WatchedRun, TimeOfAProfiledStepIsTheSumOfItsKinds) {
  run_.watch.profile_every_steps = 5;
  train_alone(run_);
  EXPECT_THAT(steps_with(run_, "time/matmul_s"), ElementsAre(3, 5));
  const auto steps = test::rows_with(run_.output, "step_s");
  for (auto& [step, row] : test::rows_with(run_.output, "time/matmul_s")) {
    EXPECT_GT(row["time/matmul_s"], 0);
    EXPECT_GT(row["time/attention_s"], 0);
    EXPECT_GE(row["time/everything_else_s"], 0);
    EXPECT_FALSE(row.contains("time/exposed_communication_s"));
    double sum_s = 0;
    for (const auto& [name, value] : row.items()) {
      if (name != "step") sum_s += value.get<double>();
    }
    const double step_s = steps.at(step)["step_s"];
    EXPECT_NEAR(sum_s, step_s, 1e-9 * step_s);
  }
}

TEST_F(WatchedRun, MemoryIsToldAsPlannedByKindAndAsMeasured) {
  train_alone(run_);
  const json planned = test::rows_with(run_.output, "memory/planned_bytes").at(0);
  int64_t sum_bytes = 0;
  for (const auto& [name, value] : planned.items()) {
    if (name.starts_with("memory/planned/")) sum_bytes += value.get<int64_t>();
  }
  EXPECT_GT(planned["memory/planned/weights_bytes"], 0);
  EXPECT_EQ(planned["memory/planned_bytes"], sum_bytes);
  EXPECT_THAT(steps_with(run_, "memory/measured_bytes"), ElementsAre(3, 8));
  for (const auto& [step, row] : test::rows_with(run_.output, "memory/measured_bytes")) {
    EXPECT_GT(row["memory/measured_bytes"].get<int64_t>(), sum_bytes / 2);
  }
}

TEST(ProfiledSteps, AreTheThirdOfTheProcessAndThoseThatTheIntervalDivides) {
  const config::WatchConfig watch = {.tensorboard = true, .profile_every_steps = 5};
  std::vector<int64_t> steps;
  for (int64_t step = 8; step <= 20; ++step) {
    if (is_profiled(watch, 7, step)) steps.push_back(step);
  }
  EXPECT_THAT(steps, ElementsAre(10, 15, 20));
  EXPECT_TRUE(is_profiled(watch, 8, 11));
  EXPECT_FALSE(is_profiled({.tensorboard = true, .profile_every_steps = 0}, 0, 3));
}

TEST(MetricName, HasUnderscoresForAllButLettersAndDigits) {
  EXPECT_EQ(metric_name("rope, swiglu, casts"), "rope_swiglu_casts");
  EXPECT_EQ(metric_name("cross-entropy"), "cross_entropy");
  EXPECT_EQ(metric_name("weights"), "weights");
}

TEST_F(WatchedRun, EveryNameIsDocumented) {
  const test::DocumentedNames document(LCKV_SOURCE_DIR "/src/train/METRICS.md");
  ASSERT_GT(document.size(), 30u);
  run_.eval = test::evaluated_run(folder_).eval;
  train_alone(run_);
  std::set<std::string> names;
  for (const json& row : test::metrics_of(run_.output)) {
    for (const auto& entry : row.items()) names.insert(entry.key());
  }
  EXPECT_TRUE(names.contains("eval/tiny/acc"));
  EXPECT_TRUE(names.contains("validation/exact_gap"));
  for (const auto& [tag, points] : test::shown_values(fs::path(run_.output) / "tensorboard")) {
    names.insert(tag);
  }
  for (const std::string& name : names) EXPECT_TRUE(document.has(name)) << name;
  for (const json& event : test::events_of(run_.output)) {
    EXPECT_TRUE(document.has(event["kind"].get<std::string>())) << event;
  }
}

TEST_F(WatchedRun, DocumentDoesNotKnowJustAnyName) {
  const test::DocumentedNames document(LCKV_SOURCE_DIR "/src/train/METRICS.md");
  for (const char* const name :
       {"losses", "time/matmul", "eval/tiny", "memory/planned/a/b_bytes"}) {
    EXPECT_FALSE(document.has(name)) << name;
  }
}

}  // namespace
}  // namespace lckv::train
