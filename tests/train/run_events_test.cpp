#include "lckv/train/run_events.h"

#include <csignal>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lone_run.h"
#include "run_metrics.h"
#include "stop_at_step.h"
#include "tiny_run.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using test::train_alone;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// "started@0", ...
std::vector<std::string> told(const std::string& output) {
  std::vector<std::string> all;
  for (const auto& event : test::events_of(output)) {
    all.push_back(event.at("kind").get<std::string>() + "@" +
                  std::to_string(event.at("step").get<int64_t>()));
  }
  return all;
}

std::string message_of(const std::string& output, const std::string& kind) {
  for (const auto& event : test::events_of(output)) {
    if (event.at("kind") == kind) return event.at("message");
  }
  return "";
}

class RunEventsTest : public testing::Test {
 protected:
  RunEventsTest()
      : folder_(test::fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name())) {
    set_log_quiet(true);
  }
  ~RunEventsTest() override {
    set_log_quiet(false);
    fs::remove_all(folder_);
  }

  std::string path() const { return (folder_ / "events.jsonl").string(); }

  fs::path folder_;
};

TEST_F(RunEventsTest, LinesAreJsonWithATimeInUtc) {
  {
    RunEvents events(path());
    events.add(12, RunEventKind::kSpike, "a \"loss\"\nof 9 \xff");
  }
  const auto lines = test::events_of(folder_.string());
  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0]["step"], 12);
  EXPECT_EQ(lines[0]["kind"], "spike");
  EXPECT_EQ(lines[0]["message"], "a \"loss\"\nof 9 \xef\xbf\xbd");
  EXPECT_TRUE(std::regex_match(lines[0]["time"].get<std::string>(),
                               std::regex(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)")));
}

TEST_F(RunEventsTest, OldLinesStayAndATornOneIsCutOff) {
  { RunEvents(path()).add(1, RunEventKind::kStarted, "first"); }
  std::ofstream(path(), std::ios::app) << R"({"step": 2, "ti)";
  { RunEvents(path()).add(3, RunEventKind::kResumed, "second"); }
  EXPECT_THAT(told(folder_.string()), ElementsAre("started@1", "resumed@3"));
}

TEST_F(RunEventsTest, FullDiskIsAnIoErrorThatNamesTheFile) {
  RunEvents events(path());
  struct rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const auto ignored = std::signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {5, before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  try {
    events.add(1, RunEventKind::kWarning, "what");
    ADD_FAILURE() << "written";
  } catch (const IoError& error) {
    EXPECT_THAT(error.what(), HasSubstr(path()));
  }
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, ignored);
  events.add(2, RunEventKind::kFailed, "told where there is room again");
  EXPECT_THAT(told(folder_.string()), ElementsAre("failed@2"));  // not behind a torn line
}

TEST_F(RunEventsTest, OldLinesStayWhereAProcessMayOpenOneMoreFileOnly) {
  { RunEvents(path()).add(1, RunEventKind::kStarted, "first"); }
  struct rlimit before = {};
  getrlimit(RLIMIT_NOFILE, &before);
  const int next = dup(STDERR_FILENO);
  close(next);
  const struct rlimit limit = {static_cast<rlim_t>(next) + 1, before.rlim_max};
  setrlimit(RLIMIT_NOFILE, &limit);
  EXPECT_NO_THROW(RunEvents{path()});
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_THAT(told(folder_.string()), ElementsAre("started@1"));
}

TEST_F(RunEventsTest, RunTellsItsStartItsSavesAndItsEnd) {
  const config::RunConfig run = test::tiny_run(folder_);
  train_alone(run);
  EXPECT_THAT(told(run.output),
              ElementsAre("started@0", "saved@3", "saved@6", "saved@8", "finished@8"));
  EXPECT_THAT(message_of(run.output, "started"), HasSubstr("threads on cpu"));
}

TEST_F(RunEventsTest, ContinuedRunKeepsWhatTheEarlierProcessTold) {
  const config::RunConfig run = test::tiny_run(folder_);
  const std::atomic<bool> stop{true};
  train_alone(run, stop);
  EXPECT_THAT(told(run.output), IsEmpty());  // stopped before anything had begun
  train_alone(run);
  std::vector<std::string> expected = told(run.output);
  EXPECT_EQ(expected.back(), "finished@8");
  train_alone(run);  // has nothing left to do
  expected.insert(expected.end(), {"resumed@8", "finished@8"});
  EXPECT_EQ(told(run.output), expected);
  EXPECT_THAT(message_of(run.output, "resumed"), HasSubstr("after step 8 of 8 steps"));
}

TEST_F(RunEventsTest, StopIsToldWithItsReason) {
  config::RunConfig run = test::tiny_run(folder_);
  run.train.steps = 1000000;
  const test::StopAtStep stop(run.output, 4, std::chrono::microseconds(0));
  train_alone(run, stop.asked());
  const auto all = told(run.output);
  EXPECT_THAT(all.at(all.size() - 2), HasSubstr("saved@"));
  EXPECT_THAT(all.back(), HasSubstr("stopped@"));
  EXPECT_NE(message_of(run.output, "stopped"), "");
}

TEST_F(RunEventsTest, DivergenceIsToldWithTheUpdatesThatWereLeftOut) {
  config::RunConfig run = test::tiny_run(folder_);
  run.train.steps = 40;
  run.schedule.kind = config::Schedule::kConstant;
  run.optimizer.clip_norm = 0;
  run.optimizer.lr = 1e30;
  run.guards.max_nonfinite_steps = 2;
  EXPECT_THROW(train_alone(run), Error);
  const auto all = told(run.output);
  EXPECT_THAT(all.back(), HasSubstr("diverged@"));
  EXPECT_THAT(all.at(all.size() - 2), HasSubstr("skipped@"));
  EXPECT_THAT(message_of(run.output, "diverged"), HasSubstr("2 steps in a row"));
}

TEST_F(RunEventsTest, SpikesAreTold) {
  config::RunConfig run = test::tiny_run(folder_);
  run.train.steps = 40;
  run.guards.spike_window_steps = 8;
  run.guards.spike_deviations = 0.5;
  train_alone(run);
  EXPECT_THAT(message_of(run.output, "spike"), HasSubstr("step "));
}

TEST_F(RunEventsTest, SaveThatFailsIsToldAndSoIsTheEnd) {
  config::RunConfig run = test::tiny_run(folder_);
  run.checkpoint.asynchronous = false;
  fs::create_directories(fs::path(run.output) / "step-00000003.tmp" / "kept");
  std::ofstream(fs::path(run.output) / "step-00000003") << "a file in its place";
  EXPECT_THROW(train_alone(run), Error);
  const auto all = told(run.output);
  ASSERT_GE(all.size(), 2u);
  EXPECT_EQ(all.at(all.size() - 2), "save_failed@3");
  EXPECT_EQ(all.back(), "failed@3");
}

}  // namespace
}  // namespace lckv::train
