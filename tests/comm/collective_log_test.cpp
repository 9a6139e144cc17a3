#include "lckv/comm/collective_log.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/activity.h"
#include "lckv/comm/awake_clock.h"
#include "lckv/comm/rank_record.h"
#include "lckv/comm/watchdog.h"

namespace lckv::comm {
namespace {

const GroupIdentity kDp = make_identity("dp", Waiting::kPrompt, 3, {1, 3, 5});

Collective call_of(std::vector<float>& data, const char* label) {
  return {.kind = CollectiveKind::kAllReduce,
          .x = View(data.data(), DType::kF32, {static_cast<int64_t>(data.size())}),
          .own = {},
          .label = label};
}

TEST(GroupIdentity, KnowsARuleOfItsRanks) {
  EXPECT_EQ(kDp.first, 1);
  EXPECT_EQ(kDp.stride, 2);
  EXPECT_EQ(kDp.size, 3);
  EXPECT_EQ(make_identity("a", Waiting::kPrompt, 0, {4}).stride, 0);
  EXPECT_EQ(make_identity("a", Waiting::kPrompt, 0, {0, 1, 3}).stride, 0);
  EXPECT_NE(kDp, make_identity("dp", Waiting::kPrompt, 3, {0, 2, 4}));
  EXPECT_NE(kDp, make_identity("dp", Waiting::kPrompt, 4, {1, 3, 5}));
}

TEST(CollectiveLog, TellsTheLastCallOfEachLane) {
  std::vector<float> data(100);
  CollectiveSlot blocking(kDp, Lane::kBlocking), lazy(kDp, Lane::kStarted);
  EXPECT_TRUE(collectives_here().empty()) << "none has begun";
  const int64_t progress = current_activity().progress;
  const std::string label(60, 'x');
  blocking.begin(call_of(data, label.c_str()), 7);
  CollectiveState told = collectives_here().at(0);
  EXPECT_TRUE(told.under_way);
  EXPECT_TRUE(told.main_waits);
  EXPECT_EQ(told.group, kDp);
  EXPECT_EQ(told.number, 7);
  EXPECT_EQ(told.bytes, 400);
  EXPECT_EQ(told.label.view(), label.substr(0, 47)) << "cut where its room ends";
  EXPECT_GE(told.age_s, 0);
  EXPECT_LT(told.age_s, 1);
  blocking.end();
  told = collectives_here().at(0);
  EXPECT_FALSE(told.under_way);
  EXPECT_FALSE(told.main_waits);
  EXPECT_EQ(told.number, 7);
  EXPECT_EQ(current_activity().progress, progress + 2);
}

TEST(CollectiveLog, TellsWhatTheMainThreadWaitsFor) {
  std::vector<float> data(1);
  CollectiveSlot started(kDp, Lane::kStarted);
  const GroupIdentity saving = make_identity("saving", Waiting::kPatient, 5, {0, 1});
  CollectiveSlot beside(saving, Lane::kBlocking);
  beside.begin(call_of(data, "save"), 0);
  started.begin(call_of(data, "grad"), 0);
  EXPECT_FALSE(beside.state().main_waits) << "its thread is another";
  EXPECT_FALSE(started.state().main_waits);
  {
    const CollectiveSlot::MainWaits waits(started);
    EXPECT_TRUE(started.state().main_waits);
  }
  EXPECT_FALSE(started.state().main_waits);
}

TEST(CollectiveLog, PutsFirstWhatIsUnderWay) {
  std::vector<float> data(1);
  CollectiveSlot a(kDp, Lane::kBlocking), b(kDp, Lane::kStarted), c(kDp, Lane::kStarted);
  a.begin(call_of(data, "a"), 0);
  b.begin(call_of(data, "b"), 0);
  c.begin(call_of(data, "c"), 0);
  b.end();
  c.end();
  const auto told = collectives_here();
  ASSERT_EQ(told.size(), 3u);
  EXPECT_EQ(told[0].label.view(), "a");
  EXPECT_EQ(told[1].label.view(), "c");  // the newest of those that are done
  EXPECT_EQ(told[2].label.view(), "b");
}

TEST(CollectiveLog, IsReadWhileGroupsComeAndGo) {
  constexpr int kLeastRounds = 200;
  constexpr int64_t kLeastSeen = 1000;
  std::atomic<bool> over{false};
  std::atomic<int64_t> seen{0};
  std::thread reader([&] {
    while (!over) {
      for (const CollectiveState& state : collectives_here()) {
        ++seen;
        EXPECT_EQ(state.group, kDp);
        EXPECT_EQ(state.bytes, 4 * (state.number % 2 + 1)) << "torn";
      }
    }
  });
  std::vector<float> one(1), two(2);
  // The reader may get no turn for as long as the writer has one.
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  const auto goes_on = [&](int round) {
    return round < kLeastRounds ||
           (seen < kLeastSeen && std::chrono::steady_clock::now() < deadline);
  };
  for (int round = 0; goes_on(round); ++round) {
    CollectiveSlot slot(kDp, Lane::kBlocking);
    for (int64_t i = 0; i < 20; ++i) {
      slot.begin(call_of(i % 2 == 0 ? one : two, "x"), i);
      slot.end();
    }
  }
  over = true;
  reader.join();
  EXPECT_GE(seen, kLeastSeen);
}

TEST(RankRecord, KeepsWhatIsUnderWayWhereRoomIsShort) {
  std::vector<float> data(1);
  std::vector<std::unique_ptr<CollectiveSlot>> slots;
  for (size_t i = 0; i < RankRecord::kMaxCollectives + 3; ++i) {
    slots.push_back(std::make_unique<CollectiveSlot>(
        make_identity("g", Waiting::kPrompt, static_cast<int>(i), {0, 1}), Lane::kBlocking));
    slots.back()->begin(call_of(data, "x"), 0);
    if (i >= 2) slots.back()->end();
  }
  const World world = World::alone();
  RankRecord record = record_here(world, 1000);
  EXPECT_FALSE(record.whole);
  ASSERT_EQ(record.collectives().size(), RankRecord::kMaxCollectives);
  EXPECT_TRUE(record.collectives()[0].under_way);
  EXPECT_TRUE(record.collectives()[1].under_way);
  EXPECT_FALSE(record.collectives()[2].under_way);
  slots.resize(4);
  record = record_here(world, 1000);
  EXPECT_TRUE(record.whole);
  EXPECT_EQ(record.collectives().size(), 4u);
}

TEST(RankRecord, HoldsNothingThatIsOlderThanTheProcessIsAwake) {
  std::vector<float> data(1);
  CollectiveSlot slot(kDp, Lane::kBlocking);
  slot.begin(call_of(data, "x"), 0);
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  const World world = World::alone();
  EXPECT_GE(record_here(world, 1000).idle_s, 0.02);
  EXPECT_GE(record_here(world, 1000).collectives()[0].age_s, 0.02);
  EXPECT_EQ(record_here(world, 0.01).idle_s, 0.01);
  EXPECT_EQ(record_here(world, 0.01).collectives()[0].age_s, 0.01);
}

TEST(AwakeClock, TakesAPauseForTimeInWhichNothingRan) {
  const auto now = std::chrono::steady_clock::now();
  AwakeClock clock;
  clock.look(now + std::chrono::milliseconds(900));
  EXPECT_EQ(clock.awake_s(), std::numeric_limits<double>::infinity());
  // It was stopped for 11.1 s, until one second ago.
  AwakeClock other;
  other.look(now - std::chrono::milliseconds(12100));
  other.look(now - std::chrono::milliseconds(1000));
  EXPECT_GE(other.awake_s(), 1.0);
  EXPECT_LT(other.awake_s(), 2.0);
}

TEST(Watchdog, OfAWorldOfOneTellsOfItself) {
  World world = World::alone();
  note_activity("training");
  const Watchdog watchdog(world, {});
  const std::vector<RankHealth> health = watchdog.health();
  ASSERT_EQ(health.size(), 1u);
  EXPECT_TRUE(health[0].heard);
  EXPECT_FALSE(health[0].left);
  EXPECT_EQ(health[0].age_s, 0);
  EXPECT_EQ(health[0].phase, "training");
  EXPECT_EQ(health[0].host, world.host());
  EXPECT_EQ(health[0].pid, getpid());
  EXPECT_LT(health[0].idle_s, 1);
}

}  // namespace
}  // namespace lckv::comm
