#include "lckv/comm/started_queue.h"

#include <stdexcept>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/timeline.h"

namespace lckv::comm {
namespace {

TEST(StartedQueue, RunsInTheOrderOfPushing) {
  std::vector<int> order;
  {
    StartedQueue queue("lane");
    for (int i = 0; i < 100; ++i) queue.push([&order, i] { order.push_back(i); });
  }
  ASSERT_EQ(order.size(), 100u);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(order[static_cast<size_t>(i)], i);
}

TEST(StartedQueue, HandsOnWhatItsWorkThrows) {
  StartedQueue queue("lane");
  const auto failed = queue.push([] { throw std::runtime_error("lost"); });
  const auto fine = queue.push([] {});
  EXPECT_THROW(failed.get(), std::runtime_error);
  EXPECT_NO_THROW(fine.get());
}

TEST(StartedQueue, HasALaneOfItsOwn) {
  start_timeline();
  {
    StartedQueue queue("dp started");
    queue.push([] { const TimelineScope scope("grad", "collective"); }).get();
  }
  const std::vector<TimelineSpan> spans = stop_timeline();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].lane, "dp started");
}

}  // namespace
}  // namespace lckv::comm
