#include "lckv/train/run_status.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <limits>
#include <stdexcept>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/process_age.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::MatchesRegex;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

StatusPage::Time at(int64_t ms_since_1970) {
  return StatusPage::Time(std::chrono::milliseconds(ms_since_1970));
}

TEST(StatusPage, TellsWhatIsKnown) {
  StatusPage page;
  page.state = RunState::kValidating;
  page.pid = 42;
  page.host = "node17";
  page.ranks = 4;
  page.grid = "dp 2 x tp 2";
  page.started = at(951782399999);  // the last moment of a 28 February
  page.updated = at(951782400000);  // of a leap year
  page.step = 7;
  page.steps = 100;
  page.loss = 2.5;
  page.tokens = 1'000'000'000'000;
  page.last_save = {.step = 5, .time = at(1795690536007), .lost_s = 0.25, .written_s = 3};
  page.last_validation = {.step = 6, .time = at(0), .loss = 2.75, .exact_loss = 2.5};
  page.best = {.step = 4, .loss = 2.5, .exact = true};
  page.health.skipped_updates = 1;
  page.health.spikes = 2;
  page.health.slowest_rank = {.rank = 3, .age_s = 0.5};
  page.health.messages = {"a", "b"};
  const json read = json::parse(to_json(page));
  EXPECT_EQ(read["state"], "validating");
  EXPECT_EQ(read["pid"], 42);
  EXPECT_EQ(read["host"], "node17");
  EXPECT_EQ(read["ranks"], 4);
  EXPECT_EQ(read["grid"], "dp 2 x tp 2");
  EXPECT_EQ(read["started"], "2000-02-28T23:59:59.999Z");
  EXPECT_EQ(read["updated"], "2000-02-29T00:00:00.000Z");
  EXPECT_EQ(read["step"], 7);
  EXPECT_EQ(read["steps"], 100);
  EXPECT_EQ(read["loss"], 2.5);
  EXPECT_EQ(read["tokens"], 1'000'000'000'000);
  EXPECT_EQ(
      read["last_save"],
      json::parse(
          R"({"step": 5, "time": "2026-11-26T10:55:36.007Z", "lost_s": 0.25, "written_s": 3.0})"));
  EXPECT_EQ(read["last_validation"],
            json::parse(R"({"step": 6, "time": "1970-01-01T00:00:00.000Z", "loss": 2.75,
                             "exact_loss": 2.5})"));
  EXPECT_EQ(read["best"], json::parse(R"({"step": 4, "loss": 2.5, "exact": true})"));
  EXPECT_EQ(read["health"], json::parse(R"({"skipped_updates": 1, "spikes": 2,
      "slowest_rank": {"rank": 3, "age_s": 0.5}, "messages": ["a", "b"]})"));
}

TEST(StatusPage, HasNullForWhatIsUnknownOrNotFinite) {
  StatusPage page;
  page.loss = std::numeric_limits<double>::quiet_NaN();
  page.grad_norm = kInfinity;
  page.lr = -kInfinity;
  page.last_validation = {.step = 1, .time = at(0), .loss = kInfinity};
  const json read = json::parse(to_json(page));
  for (const char* key :
       {"loss", "grad_norm", "lr", "tokens_per_s", "eta_s", "last_save", "best"}) {
    ASSERT_TRUE(read.contains(key)) << key;
    EXPECT_TRUE(read[key].is_null()) << key;
  }
  EXPECT_TRUE(read["last_validation"]["loss"].is_null());
  EXPECT_TRUE(read["last_validation"]["exact_loss"].is_null());
  EXPECT_TRUE(read["health"]["slowest_rank"].is_null());
}

TEST(StatusPage, IsUtf8WhateverBytesAnErrorNames) {
  StatusPage page;
  page.message = "file \xff\"\n";
  EXPECT_EQ(json::parse(to_json(page))["message"], "file \xef\xbf\xbd\"\n");
}

class RunStatusFile : public testing::Test {
 protected:
  RunStatusFile()
      : folder_(fs::path(testing::TempDir()) / ("lckv_status_" + std::to_string(getpid()))) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    facts_ = {.run_folder = folder_, .host = "node17", .grid = "dp 1 x tp 1", .steps = 100};
  }
  ~RunStatusFile() override { fs::remove_all(folder_); }

  fs::path path() const { return folder_ / "status.json"; }

  /// The page as it stands; null without a file.
  json page() const {
    std::ifstream file(path());
    if (!file) return nullptr;
    return json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
  }

  /// The first page that `fits`; the last one seen after `limit_s`.
  json page_when(const std::function<bool(const json&)>& fits, double limit_s = 3) const {
    const Stopwatch watch;
    for (;;) {
      const json seen = page();
      if ((!seen.is_null() && fits(seen)) || watch.elapsed_s() > limit_s) return seen;
      usleep(2000);
    }
  }
  json page_in_state(const std::string& state) const {
    return page_when([&](const json& seen) { return seen["state"] == state; });
  }

  fs::path folder_;
  RunStatus::Facts facts_;
};

TEST_F(RunStatusFile, StartsWithTheFactsOfThisProcess) {
  const auto now = std::chrono::system_clock::now();
  RunStatus status(facts_, true);
  const json seen = page_in_state("starting");
  EXPECT_EQ(seen["pid"], getpid());
  EXPECT_EQ(seen["host"], "node17");
  EXPECT_EQ(seen["steps"], 100);
  StatusPage expected;  // for the text of a time
  expected.started = now - std::chrono::milliseconds(int64_t(1000 * process_age_s()));
  EXPECT_EQ(json::parse(to_json(expected))["started"].get<std::string>().substr(0, 16),
            seen["started"].get<std::string>().substr(0, 16));
  status.end(RunState::kFinished, "");
}

TEST_F(RunStatusFile, ShowsAStateAtOnceAndNumbersWithinASecond) {
  RunStatus status(facts_, true);
  page_in_state("starting");
  Stopwatch watch;
  status.enter(RunState::kTraining);
  EXPECT_EQ(page_in_state("training")["state"], "training");
  EXPECT_LT(watch.elapsed_s(), 0.5);
  status.update([](StatusPage& page) { page.step = 3; });
  EXPECT_EQ(page_when([](const json& seen) { return seen["step"] == 3; })["step"], 3);
  EXPECT_LT(watch.elapsed_s(), 2.0);
  status.end(RunState::kFinished, "");
}

TEST_F(RunStatusFile, IsWrittenOnceASecondHoweverOftenNumbersChange) {
  RunStatus status(facts_, true);
  page_in_state("starting");
  std::vector<std::string> updated;
  const Stopwatch watch;
  for (int64_t step = 1; watch.elapsed_s() < 1.5; ++step) {
    status.update([&](StatusPage& page) { page.step = step; });
    const std::string seen = page()["updated"];
    if (updated.empty() || updated.back() != seen) updated.push_back(seen);
    usleep(500);
  }
  EXPECT_LE(updated.size(), 3u);  // the first page, those after 1 s and, at most, 2 s
  EXPECT_GE(updated.size(), 2u);
  status.end(RunState::kFinished, "");
}

TEST_F(RunStatusFile, ShowsSignsOfLifeWithoutProgress) {
  facts_.sign_of_life_s = 0.05;
  RunStatus status(facts_, true);
  const json first = page_in_state("starting");
  const json later =
      page_when([&](const json& seen) { return seen["updated"] != first["updated"]; });
  EXPECT_NE(later["updated"], first["updated"]);
  status.update([](StatusPage& page) { page.health.slowest_rank = {.rank = 1, .age_s = 9}; });
  const json health =
      page_when([&](const json& seen) { return !seen["health"]["slowest_rank"].is_null(); });
  EXPECT_EQ(health["health"]["slowest_rank"]["age_s"], 9);
  EXPECT_EQ(health["progressed"], first["progressed"]);
  usleep(2000);  // times have milliseconds
  status.update([](StatusPage& page) { ++page.step; });
  EXPECT_NE(page_when([](const json& seen) { return seen["step"] == 1; })["progressed"],
            first["progressed"]);
}

TEST_F(RunStatusFile, IsWholeForAReaderAtAnyMoment) {
  RunStatus status(facts_, true);
  page_in_state("starting");
  std::atomic<bool> reads{true};
  int torn = 0;
  std::thread reader([&] {
    for (int pages = 0; pages < 500; ++pages) {
      try {
        torn += page().is_null() ? 1 : 0;
      } catch (const json::exception&) {
        ++torn;
      }
    }
    reads = false;
  });
  for (int i = 0; reads; ++i) {
    status.add_message(std::string(static_cast<size_t>(i % 300), 'x'));
    status.enter(i % 2 == 0 ? RunState::kTraining : RunState::kSaving);
    usleep(100);
  }
  reader.join();
  EXPECT_EQ(torn, 0);
  status.end(RunState::kFinished, "");
}

TEST_F(RunStatusFile, KeepsTheNewestMessages) {
  RunStatus status(facts_, true);
  for (int i = 0; i < 30; ++i) status.add_message(std::to_string(i));
  status.end(RunState::kFinished, "");
  const json messages = page()["health"]["messages"];
  EXPECT_EQ(messages.size(), 20u);
  EXPECT_EQ(messages.front(), "10");
  EXPECT_EQ(messages.back(), "29");
}

TEST_F(RunStatusFile, LeavesNoTemporaryAndKeepsTheFirstEnd) {
  {
    RunStatus status(facts_, true);
    status.end(RunState::kStopped, "signal SIGTERM");
    EXPECT_EQ(page()["state"], "stopped");
    status.update([](StatusPage& page) { page.step = 9; });
    status.enter(RunState::kTraining);
    status.end(RunState::kFailed, "too late");
  }
  EXPECT_EQ(page()["state"], "stopped");
  EXPECT_EQ(page()["message"], "signal SIGTERM");
  EXPECT_EQ(page()["step"], 0);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(RunStatusFile, TellsTheErrorThatEndedTheRun) {
  RunStatus status(facts_, true);
  EXPECT_THROW(status.guard([] { throw std::runtime_error("tokens.h5: gone"); }),
               std::runtime_error);
  EXPECT_EQ(page()["state"], "failed");
  EXPECT_EQ(page()["message"], "tokens.h5: gone");
}

TEST_F(RunStatusFile, FailsWhenNobodyToldTheEnd) {
  try {
    RunStatus status(facts_, true);
    status.enter(RunState::kTraining);
    throw std::runtime_error("past the guard");
  } catch (const std::runtime_error&) {
    EXPECT_EQ(page()["state"], "failed");
    EXPECT_NE(page()["message"], "");
  }
}

TEST_F(RunStatusFile, OfAnEndedRunStandsAgainWhenAStartIsRefused) {
  for (const char* const state : {"finished", "stopped", "failed"}) {
    const std::string before = json({{"state", state}, {"step", 7}}).dump(2);
    std::ofstream(path()) << before;
    RunStatus status(facts_, true);
    EXPECT_EQ(page_in_state("starting")["state"], "starting");
    EXPECT_THROW(status.guard([] { throw std::runtime_error("of another model"); }),
                 std::runtime_error);
    EXPECT_EQ(page(), json::parse(before));
  }
}

TEST_F(RunStatusFile, TellsAnErrorAfterTheBeginAndOneOverThePageOfAKilledRun) {
  for (const char* const state : {"finished", "training"}) {
    std::ofstream(path()) << json({{"state", state}, {"step", 7}});
    RunStatus status(facts_, true);
    EXPECT_THROW(status.guard([&] {
      if (state == std::string("finished")) status.begin();
      throw std::runtime_error("tokens.h5: gone");
    }),
                 std::runtime_error);
    EXPECT_EQ(page()["state"], "failed") << state;
    EXPECT_EQ(page()["message"], "tokens.h5: gone");
  }
}

TEST_F(RunStatusFile, IsNotThereOfOtherRanks) {
  RunStatus status(facts_, false);
  status.enter(RunState::kTraining);
  status.end(RunState::kFinished, "");
  EXPECT_TRUE(fs::is_empty(folder_));
}

TEST_F(RunStatusFile, ADiskThatFailsCostsOneWarningAndIsTriedAgain) {
  testing::internal::CaptureStderr();
  RunStatus status(facts_, true);
  page_in_state("starting");
  fs::remove_all(folder_);
  for (int i = 0; i < 20; ++i) {
    status.enter(i % 2 == 0 ? RunState::kTraining : RunState::kSaving);
    usleep(5000);
  }
  fs::create_directories(folder_);
  status.enter(RunState::kValidating);
  EXPECT_EQ(page_in_state("validating")["state"], "validating");
  status.end(RunState::kFinished, "");
  const std::string output = testing::internal::GetCapturedStderr();
  const size_t warning = output.find("status.json: cannot be written (No such file");
  EXPECT_NE(warning, std::string::npos) << output;
  EXPECT_EQ(output.find("cannot be written", warning + 20), std::string::npos) << output;
}

/// A pipe without a reader in the temporary's place: opening it waits, as a dead file server does.
TEST_F(RunStatusFile, ADiskThatHangsHoldsUpNeitherTrainingNorTheEnd) {
  const std::string temporary = path().string() + ".tmp";
  ASSERT_EQ(mkfifo(temporary.c_str(), 0600), 0);
  std::optional<RunStatus> status(std::in_place, facts_, true);
  const Stopwatch watch;
  for (int i = 0; i < 1000; ++i) status->update([](StatusPage& page) { ++page.step; });
  EXPECT_LT(watch.elapsed_s(), 0.5);
  status->end(RunState::kFailed, "");
  EXPECT_GE(watch.elapsed_s(), 1.9);
  EXPECT_LT(watch.elapsed_s(), 3.0);
  const int reader = open(temporary.c_str(), O_RDONLY | O_NONBLOCK);  // lets it go
  ASSERT_GE(reader, 0);
  status.reset();
  close(reader);
}

}  // namespace
}  // namespace lckv::train
