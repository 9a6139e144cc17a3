#include "lckv/base/timeline.h"

#include <thread>

#include <gtest/gtest.h>

namespace lckv {
namespace {

TEST(Timeline, RecordsByLaneThenByBegin) {
  start_timeline();
  {
    const TimelineScope outer("outer", "compute");
    const TimelineScope inner("inner", "wait");
  }
  std::thread([] {
    name_timeline_lane("helper");
    const TimelineScope scope("help", "collective");
  }).join();
  const std::vector<TimelineSpan> spans = stop_timeline();
  ASSERT_EQ(spans.size(), 3u);
  EXPECT_EQ(spans[0].lane, "helper");
  EXPECT_EQ(spans[0].category, "collective");
  EXPECT_EQ(spans[1].name, "outer");
  EXPECT_EQ(spans[1].lane, "main");
  EXPECT_EQ(spans[2].name, "inner");
  EXPECT_LE(spans[1].begin_s, spans[2].begin_s);
  EXPECT_LE(spans[2].end_s, spans[1].end_s);
}

TEST(Timeline, LeavesOutWhatIsNotInsideIt) {
  {
    const TimelineScope before("before", "compute");
    start_timeline();
  }
  {
    const TimelineScope across("across", "compute");
    stop_timeline();
    start_timeline();
  }
  EXPECT_TRUE(timeline_runs());
  EXPECT_TRUE(stop_timeline().empty());
  EXPECT_FALSE(timeline_runs());
  { const TimelineScope after("after", "compute"); }
  EXPECT_TRUE(stop_timeline().empty());
}

TEST(Timeline, KeepsEverySpanOfEveryThread) {
  constexpr int kThreads = 4, kSpans = 500;
  start_timeline();
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([] {
      for (int span = 0; span < kSpans; ++span) const TimelineScope scope("span", "compute");
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stop_timeline().size(), static_cast<size_t>(kThreads * kSpans));
}

}  // namespace
}  // namespace lckv
