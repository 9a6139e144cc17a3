#include "lckv/base/activity.h"

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lckv {
namespace {

void sleep_ms(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

TEST(Activity, TellsThePhaseAndWhenItLastGotOn) {
  note_activity("training");
  sleep_ms(30);
  const Activity before = current_activity();
  EXPECT_STREQ(before.phase, "training");
  EXPECT_GE(before.idle_s, 0.03);
  note_progress();
  const Activity after = current_activity();
  EXPECT_STREQ(after.phase, "training");
  EXPECT_LT(after.idle_s, 0.03);
  EXPECT_EQ(after.progress, before.progress + 1);
}

TEST(Activity, OfAScopeEndsWithIt) {
  note_activity("training");
  {
    const ActivityScope validating("validating");
    EXPECT_STREQ(current_activity().phase, "validating");
    {
      const ActivityScope reading("reading");
      EXPECT_STREQ(current_activity().phase, "reading");
    }
    EXPECT_STREQ(current_activity().phase, "validating");
    sleep_ms(30);
  }
  EXPECT_STREQ(current_activity().phase, "training");
  EXPECT_LT(current_activity().idle_s, 0.03) << "its end is progress";
}

TEST(Activity, CountsTheProgressOfAllThreads) {
  const int64_t before = current_activity().progress;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([] {
      for (int n = 0; n < 10000; ++n) note_progress();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(current_activity().progress, before + 40000);
}

}  // namespace
}  // namespace lckv
