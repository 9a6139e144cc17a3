#include "lckv/train/chrome_trace.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace lckv::train {
namespace {

using Json = nlohmann::json;

/// Two ranks of one host, whose second begins a little later, and one of a host with another clock.
std::vector<RankTimeline> three_ranks() {
  return {{.rank = 0,
           .host = "a",
           .begin_s = 100,
           .end_s = 101,
           .spans = {{"grad \"1\"", "collective", "dp started", 100.25, 100.5},
                     {"step", "step", "main", 100, 101},
                     {"matmul", "compute", "main", 100.125, 100.375}}},
          {.rank = 1,
           .host = "a",
           .begin_s = 100.000125,
           .end_s = 101,
           .spans = {{"step", "step", "main", 100.000125, 101}}},
          {.rank = 2,
           .host = "b",
           .begin_s = 7,
           .end_s = 8,
           .spans = {{"step", "step", "main", 7, 8}}}};
}

std::vector<Json> events(const Json& trace, const std::string& phase, const std::string& name) {
  std::vector<Json> found;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") == phase && event.at("name") == name) found.push_back(event);
  }
  return found;
}

TEST(ChromeTrace, HasAProcessPerRankAndAThreadPerLane) {
  const Json trace = Json::parse(to_chrome_trace(three_ranks()));
  const auto processes = events(trace, "M", "process_name");
  ASSERT_EQ(processes.size(), 3u);
  EXPECT_EQ(processes[0].at("args").at("name"), "rank 0 (a)");
  EXPECT_EQ(processes[2].at("args").at("name"), "rank 2 (b)");
  EXPECT_EQ(processes[2].at("pid"), 2);
  const auto threads = events(trace, "M", "thread_name");
  ASSERT_EQ(threads.size(), 4u);
  std::map<std::string, int> tid;
  for (const Json& thread : threads) {
    if (thread.at("pid") == 0) tid[thread.at("args").at("name")] = thread.at("tid");
  }
  EXPECT_EQ(tid.at("main"), 0);
  EXPECT_EQ(events(trace, "X", "grad \"1\"")[0].at("tid"), tid.at("dp started"));
  EXPECT_EQ(events(trace, "X", "matmul")[0].at("tid"), 0);
}

TEST(ChromeTrace, CountsMicrosecondsFromEachHostsBegin) {
  const Json trace = Json::parse(to_chrome_trace(three_ranks()));
  const auto steps = events(trace, "X", "step");
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_DOUBLE_EQ(steps[0].at("ts"), 0);
  EXPECT_DOUBLE_EQ(steps[0].at("dur"), 1e6);
  EXPECT_DOUBLE_EQ(steps[1].at("ts"), 125);
  EXPECT_DOUBLE_EQ(steps[2].at("ts"), 0);
  const Json matmul = events(trace, "X", "matmul")[0];
  EXPECT_DOUBLE_EQ(matmul.at("ts"), 125000);
  EXPECT_DOUBLE_EQ(matmul.at("dur"), 250000);
  EXPECT_EQ(matmul.at("cat"), "compute");
}

}  // namespace
}  // namespace lckv::train
