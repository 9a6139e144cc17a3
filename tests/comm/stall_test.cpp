#include "lckv/comm/stall.h"

#include <chrono>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ranks_on_paper.h"

namespace lckv::comm {
namespace {

using test::done;
using test::grid_of_pairs;
using test::kLimits;
using test::RanksOnPaper;
using test::started;
using test::under_way;
using testing::ElementsAre;

// Four ranks: tp {0, 1} and {2, 3}, dp {0, 2} and {1, 3}. A call stalls after 10 s; a rank is
// silent after 5 s.

const GroupIdentity kAll = make_identity("all", Waiting::kPrompt, 1, {0, 1, 2, 3});
const GroupIdentity kSaving = make_identity("saving", Waiting::kPatient, 9, {0, 1, 2, 3});

/// All wait in call 7 of "all" for `age_s`, except `absent`, which is idle for as long.
RanksOnPaper all_wait_for(int absent, double age_s) {
  RanksOnPaper ranks(4);
  for (int rank = 0; rank < 4; ++rank) {
    ranks.at(rank, {rank == absent ? done(kAll, 6) : under_way(kAll, 7, age_s)}, age_s);
  }
  return ranks;
}

void expect_stall(const RanksOnPaper& ranks, LagReason reason, const std::vector<int>& lagging) {
  const auto stall = find_stall(ranks.heard, kLimits);
  ASSERT_TRUE(stall.has_value());
  EXPECT_EQ(static_cast<int>(stall->reason), static_cast<int>(reason));
  EXPECT_EQ(stall->ranks, lagging) << to_text(*stall, ranks.heard);
}
void expect_none(const RanksOnPaper& ranks) {
  const auto stall = find_stall(ranks.heard, kLimits);
  EXPECT_FALSE(stall.has_value()) << to_text(*stall, ranks.heard);
}

TEST(FindStall, BeginsWithTheTimeout) {
  expect_none(all_wait_for(2, 9.9));
  expect_stall(all_wait_for(2, 10.1), LagReason::kBehind, {2});
}

TEST(FindStall, CountsTheAgeOfTheRecordItself) {
  RanksOnPaper ranks = all_wait_for(2, 9.9);
  for (HeardRank& rank : ranks.heard) rank.age_s = 0.2;
  expect_stall(ranks, LagReason::kBehind, {2});
}

TEST(FindStall, WaitsForARankThatIsLateButMakesProgress) {
  RanksOnPaper ranks = all_wait_for(2, 100);
  ranks.heard[2].record.idle_s = 9.9;
  expect_none(ranks);
  ranks.heard[2].record.idle_s = 10.1;
  expect_stall(ranks, LagReason::kBehind, {2});
}

TEST(FindStall, NamesAllThatLag) {
  RanksOnPaper ranks = all_wait_for(2, 11);
  ranks.at(1, {}, 11);  // it has not begun anything at all
  expect_stall(ranks, LagReason::kBehind, {1, 2});
  ranks.heard[2].record.idle_s = 1;
  expect_stall(ranks, LagReason::kBehind, {1});
}

TEST(FindStall, NamesASilentRankFirst) {
  RanksOnPaper ranks = all_wait_for(2, 11);
  ranks.heard[3].age_s = 4.9;
  expect_stall(ranks, LagReason::kBehind, {2});
  ranks.heard[3].age_s = 5.1;
  expect_stall(ranks, LagReason::kSilent, {3});
  ranks.heard[2].age_s = 5.1;
  ranks.heard[2].record.idle_s = 0;  // when it was heard of last it made progress
  expect_stall(ranks, LagReason::kSilent, {2, 3});
}

TEST(FindStall, SeesNothingInASilentRankThatNobodyWaitsFor) {
  RanksOnPaper ranks = all_wait_for(2, 1);
  ranks.heard[2].age_s = 100;
  expect_none(ranks);
}

TEST(FindStall, NamesARankThatWasNeverHeardOf) {
  RanksOnPaper ranks = all_wait_for(2, 11);
  ranks.heard[2] = {.heard = false, .age_s = 12, .record = {}};
  expect_stall(ranks, LagReason::kSilent, {2});
}

TEST(FindStall, NamesARankThatHasLeft) {
  RanksOnPaper ranks = all_wait_for(2, 11);
  ranks.heard[2].record.leaves = true;
  ranks.heard[2].age_s = 9.9;  // its main thread may still come
  expect_none(ranks);
  ranks.heard[2].age_s = 10.1;
  expect_stall(ranks, LagReason::kGone, {2});
  ranks.at(2, {done(kAll, 7)}, 0);  // its part was done
  ranks.heard[2].record.leaves = true;
  expect_stall(ranks, LagReason::kTransport, {0, 1, 3});
}

TEST(FindStall, NamesRanksInDifferentCollectives) {
  const auto with = [](const std::function<void(CollectiveState&)>& change) {
    RanksOnPaper ranks = all_wait_for(2, 11);
    CollectiveState other = under_way(kAll, 7, 0.5);
    change(other);
    ranks.at(2, {other}, 0);
    return ranks;
  };
  expect_stall(with([](CollectiveState& c) { c.kind = CollectiveKind::kBroadcast; }),
               LagReason::kMismatch, {0, 2});
  expect_stall(with([](CollectiveState& c) { c.label = "weights"; }), LagReason::kMismatch, {0, 2});
  expect_stall(with([](CollectiveState& c) { ++c.bytes; }), LagReason::kMismatch, {0, 2});
  // The same call: all are there, one not for long enough to say that nothing arrives.
  expect_none(with([](CollectiveState&) {}));
  // Another call: an earlier one is behind, with its own cause; a later one has passed.
  expect_none(with([](CollectiveState& c) { c.number = 6; }));
  expect_stall(with([](CollectiveState& c) { c.number = 8; }), LagReason::kTransport, {0, 1, 3});
}

TEST(FindStall, BlamesNoRankOutsideOfTheGroup) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(dp[0], 7, 11)}, 11);  // dp {0, 2}
  ranks.at(1, {}, 100);
  ranks.at(2, {done(dp[0], 6)}, 1);
  ranks.at(3, {}, 100);
  expect_none(ranks);
  ranks.heard[2].record.idle_s = 11;
  expect_stall(ranks, LagReason::kBehind, {2});
}

TEST(FindStall, FollowsAChainThroughGroups) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(1, {under_way(tp[0], 3, 11)}, 11);                  // waits in tp for 0,
  ranks.at(0, {under_way(dp[0], 7, 10), done(tp[0], 2)}, 10);  // that in dp for 2,
  ranks.at(2, {under_way(tp[1], 3, 8), done(dp[0], 6)}, 8);    // that in tp for 3
  ranks.at(3, {done(tp[1], 2)}, 10.5);
  expect_stall(ranks, LagReason::kBehind, {3});
  ranks.heard[3].record.idle_s = 0.5;  // the culprit makes progress: so does the chain
  expect_none(ranks);
  ranks.heard[3].age_s = 6;
  expect_stall(ranks, LagReason::kSilent, {3});
}

TEST(FindStall, FollowsALaneThatIsStillInAnEarlierCall) {
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(kAll, 7, 11)}, 11);
  ranks.at(1, {under_way(kAll, 6, 12)}, 12);  // others have finished it; this one waits for 2
  ranks.at(2, {done(kAll, 5)}, 12);
  ranks.at(3, {under_way(kAll, 7, 11)}, 11);
  expect_stall(ranks, LagReason::kBehind, {2});
}

TEST(FindStall, FollowsStartedCallsOnlyWhereTheMainThreadWaitsForThem) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(1, {under_way(tp[0], 3, 11)}, 11);
  ranks.at(0, {started(dp[0], 7, 11, true), done(tp[0], 2)}, 11);
  ranks.at(2, {}, 20);  // has not started it
  ranks.at(3, {}, 0);
  expect_stall(ranks, LagReason::kBehind, {2});
  // The same, but the main thread of 0 hangs elsewhere: it holds up 1, as 2 holds up its lane.
  ranks.at(0, {started(dp[0], 7, 11, false), done(tp[0], 2)}, 11);
  expect_stall(ranks, LagReason::kBehind, {0, 2});
}

TEST(FindStall, KeepsTheLanesOfAGroupApart) {
  RanksOnPaper ranks(4);
  for (int rank = 0; rank < 4; ++rank) {
    ranks.at(rank, {started(kAll, 7, 11, true), done(kAll, 3)}, 11);
  }
  ranks.at(2, {done(kAll, 9)}, 11);  // ahead in the blocking lane alone
  expect_stall(ranks, LagReason::kBehind, {2});
}

TEST(FindStall, NamesRanksThatWaitForOneAnother) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(tp[0], 3, 12)}, 12);                   // waits in tp for 1,
  ranks.at(1, {under_way(dp[1], 7, 12), done(tp[0], 2)}, 12);   // in dp for 3,
  ranks.at(3, {under_way(tp[1], 3, 12), done(dp[1], 6)}, 12);   // in tp for 2,
  ranks.at(2, {under_way(dp[0], 7, 9.9), done(tp[1], 2)}, 12);  // in dp for 0
  expect_none(ranks);                                           // 2 may just not have told yet
  ranks.at(2, {under_way(dp[0], 7, 11), done(tp[1], 2)}, 12);
  expect_stall(ranks, LagReason::kCircle, {0, 1, 2, 3});
}

TEST(FindStall, TellsWhenNoRankIsMissing) {
  expect_stall(all_wait_for(-1, 11), LagReason::kTransport, {0, 1, 2, 3});
  RanksOnPaper ranks = all_wait_for(-1, 11);
  ranks.at(3, {under_way(kAll, 7, 9)}, 9);
  expect_none(ranks);
  ranks.at(3, {done(kAll, 7)}, 11);  // its part is done
  expect_stall(ranks, LagReason::kTransport, {0, 1, 2});
}

TEST(FindStall, DoesNotCountOnWhatFoundNoRoomInARecord) {
  RanksOnPaper ranks = all_wait_for(2, 11);
  ranks.at(2, {}, 11);
  expect_stall(ranks, LagReason::kBehind, {2});
  ranks.heard[2].record.whole = false;
  expect_stall(ranks, LagReason::kTransport, {0, 1, 3});
}

TEST(FindStall, KnowsTheRanksOfAGroupWithoutARuleByTheirRecords) {
  const GroupIdentity odd = make_identity("odd", Waiting::kPrompt, 4, {0, 1, 3});
  ASSERT_EQ(odd.stride, 0);
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(odd, 7, 11)}, 11);
  ranks.at(1, {under_way(odd, 7, 11)}, 11);
  ranks.at(2, {}, 100);
  ranks.at(3, {done(odd, 6)}, 11);
  expect_stall(ranks, LagReason::kBehind, {3});
}

TEST(FindStall, IsPatientWithPatientGroups) {
  RanksOnPaper ranks(4);
  for (int rank = 0; rank < 4; ++rank) ranks.at(rank, {under_way(kSaving, 2, 500)}, 1);
  ranks.at(3, {}, 500);  // its saver writes, and forgets to say so
  expect_none(ranks);
}

/// 0 and 1 wait in "all" for 2, whose main thread waits for its saver, which waits for 3's.
TEST(FindStall, FollowsAThreadBesideTheMainOne) {
  const auto with = [](std::vector<CollectiveState> third, double idle_s) {
    RanksOnPaper ranks(4);
    for (const int rank : {0, 1}) ranks.at(rank, {under_way(kAll, 7, 11), done(kSaving, 5)}, 11);
    ranks.at(2, {under_way(kSaving, 5, 30), done(kAll, 6)}, 11);
    ranks.at(3, std::move(third), idle_s);
    return ranks;
  };
  // 3's main thread waits in turn for 2: its saver is the end of the chain.
  expect_stall(with({under_way(kAll, 7, 11), done(kSaving, 4)}, 11), LagReason::kBehind, {3});
  expect_none(with({under_way(kAll, 7, 11), done(kSaving, 4)}, 1));
  // 3's main thread has not come to the save, since 1 holds it up.
  const GroupIdentity pair = make_identity("pair", Waiting::kPrompt, 5, {1, 3});
  RanksOnPaper ranks = with({under_way(pair, 0, 11), done(kAll, 6), done(kSaving, 4)}, 11);
  ranks.at(1, {done(kAll, 6), done(kSaving, 5)}, 11);
  expect_stall(ranks, LagReason::kBehind, {1});
}

TEST(FindStall, FollowsADevice) {
  // Rank 0's main thread waits for its GPU, which waits for rank 1's; that rank hangs.
  const GroupIdentity tp = grid_of_pairs().tp[0];
  RanksOnPaper ranks(4);
  CollectiveState on_device = under_way(tp, 5, 100);
  on_device.lane = Lane::kDevice;
  on_device.main_waits = false;
  ranks.at(0, {on_device, done(kAll, 6)}, 100);
  on_device = done(tp, 4);
  on_device.lane = Lane::kDevice;
  ranks.at(1, {done(kAll, 6), on_device}, 100);
  for (const int rank : {2, 3}) ranks.at(rank, {under_way(kAll, 7, 100)}, 100);
  expect_stall(ranks, LagReason::kBehind, {1});
  EXPECT_THAT(to_text(*find_stall(ranks.heard, kLimits), ranks.heard),
              testing::HasSubstr("tp (device)"));
}

TEST(FindStall, ListsWhoWaitsAndForWhom) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(dp[0], 7, 12)}, 12);
  ranks.at(1, {under_way(dp[1], 7, 2)}, 2);  // not for long, but for the same rank
  ranks.at(2, {under_way(tp[1], 3, 11)}, 11);
  ranks.at(3, {done(tp[1], 2)}, 11);
  const auto stall = find_stall(ranks.heard, kLimits);
  ASSERT_TRUE(stall.has_value());
  ASSERT_EQ(stall->calls.size(), 2u);
  EXPECT_EQ(stall->calls[0].call.group, tp[1]);
  EXPECT_THAT(stall->calls[0].waiting, ElementsAre(2));
  EXPECT_THAT(stall->calls[0].missing, ElementsAre(3));
  EXPECT_EQ(stall->calls[1].call.group, dp[0]);
  EXPECT_THAT(stall->calls[1].missing, ElementsAre(2));
  EXPECT_EQ(stall->calls[1].age_s, 12);
}

TEST(FindStall, ListsWhoWaitsForTheSameRanksButNotTooLongYet) {
  const auto [tp, dp] = grid_of_pairs();
  const auto listed = [&, &tp = tp, &dp = dp](double age_s) {
    RanksOnPaper ranks(4);
    ranks.at(1, {under_way(dp[1], 7, 11)}, 11);
    ranks.at(3, {}, 11);
    ranks.at(2, {under_way(tp[1], 3, age_s)}, age_s);
    ranks.at(0, {under_way(dp[0], 7, age_s)}, age_s);  // for 2
    const auto stall = find_stall(ranks.heard, kLimits);
    EXPECT_EQ(stall->ranks, std::vector<int>{3});
    std::vector<int> waiting;
    for (const StalledCall& call : stall->calls) {
      waiting.insert(waiting.end(), call.waiting.begin(), call.waiting.end());
    }
    return waiting;
  };
  EXPECT_THAT(listed(5.1), ElementsAre(2, 1, 0));
  EXPECT_THAT(listed(4.9), ElementsAre(1));
}

TEST(FindStall, DoesNotListWhoWaitsForOthers) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(0, {under_way(tp[0], 3, 11)}, 11);
  ranks.at(1, {}, 11);
  ranks.at(2, {under_way(tp[1], 3, 11)}, 11);  // for one that computes
  ranks.at(3, {}, 1);
  const auto stall = find_stall(ranks.heard, kLimits);
  ASSERT_TRUE(stall.has_value());
  EXPECT_EQ(stall->ranks, std::vector<int>{1});
  ASSERT_EQ(stall->calls.size(), 1u);
  EXPECT_THAT(stall->calls[0].waiting, ElementsAre(0));
}

/// 4096 ranks, all of them held up by one: judged in less than the time between two records.
TEST(FindStall, IsFastInALargeWorld) {
  constexpr int kRanks = 4096, kTp = 8;
  std::vector<int> everyone;
  for (int rank = 0; rank < kRanks; ++rank) everyone.push_back(rank);
  const GroupIdentity all = make_identity("all", Waiting::kPrompt, 1, everyone);
  RanksOnPaper ranks(kRanks);
  for (int rank = 0; rank < kRanks; ++rank) {
    const int first = rank / kTp * kTp;
    std::vector<int> copy(everyone.begin() + first, everyone.begin() + first + kTp);
    const GroupIdentity tp = make_identity("tp", Waiting::kPrompt, 2, copy);
    ranks.at(rank, {rank % kTp == 0 ? under_way(all, 7, 12) : under_way(tp, 3, 11)}, 11);
  }
  ranks.at(kRanks - 1, {}, 11);
  const auto begin = std::chrono::steady_clock::now();
  const auto stall = find_stall(ranks.heard, kLimits);
  const auto took = std::chrono::steady_clock::now() - begin;
  ASSERT_TRUE(stall.has_value());
  EXPECT_LT(std::chrono::duration<double>(took).count(), 0.25);
  EXPECT_LT(to_text(*stall, ranks.heard).size(), 4000u);
}

}  // namespace
}  // namespace lckv::comm
