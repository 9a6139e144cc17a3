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

const GroupIdentity kAll = make_identity("dp", Waiting::kPrompt, 1, {0, 1, 2, 3});
constexpr auto kWait = "in dp: all_reduce \"gradients\", 4.00 MiB, call 7, for 12.0 s";

RanksOnPaper all_wait_for_two() {
  RanksOnPaper ranks(4);
  for (int rank = 0; rank < 4; ++rank) ranks.at(rank, {under_way(kAll, 7, 12)}, 12);
  ranks.at(2, {done(kAll, 6)}, 12.5);
  return ranks;
}

std::string text(const RanksOnPaper& ranks) {
  const auto stall = find_stall(ranks.heard, kLimits);
  return stall ? to_text(*stall, ranks.heard) : "no stall";
}

TEST(StallText, NamesASilentRank) {
  RanksOnPaper ranks = all_wait_for_two();
  ranks.heard[2].age_s = 12.34;
  EXPECT_EQ(text(ranks),
            std::string("rank 2 (node1, pid 102) does not answer since 12.3 s: stopped, or its "
                        "machine is gone; it was training; ranks 0, 1, 3 wait for it ") +
                kWait);
  ranks.heard[2] = {.heard = false, .age_s = 30, .record = {}};
  EXPECT_EQ(
      text(ranks),
      std::string("rank 2 has not been heard of for 30.0 s; ranks 0, 1, 3 wait for it ") + kWait);
}

TEST(StallText, NamesARankThatIsElsewhere) {
  RanksOnPaper ranks = all_wait_for_two();
  ranks.heard[2].record.phase = "validating";
  EXPECT_EQ(text(ranks),
            std::string("rank 2 (node1, pid 102) has not begun it: validating, without progress "
                        "for 12.5 s; ranks 0, 1, 3 wait for it ") +
                kWait);
  ranks.heard[2].record.leaves = true;
  ranks.heard[2].age_s = 11;
  EXPECT_EQ(text(ranks),
            std::string("rank 2 (node1, pid 102) has ended its watch 11.0 s ago, validating, and "
                        "does not come; ranks 0, 1, 3 wait for it ") +
                kWait);
}

TEST(StallText, NamesSeveral) {
  RanksOnPaper ranks = all_wait_for_two();
  ranks.at(1, {}, 20);
  EXPECT_EQ(text(ranks),
            std::string("rank 1 (node0, pid 101) has not begun it: training, without progress for "
                        "20.0 s; rank 2 (node1, pid 102) has not begun it: training, without "
                        "progress for 12.5 s; ranks 0, 3 wait for them ") +
                kWait);
}

TEST(StallText, NamesBothSidesOfAMismatch) {
  RanksOnPaper ranks = all_wait_for_two();
  CollectiveState other = under_way(kAll, 7, 12);
  other.kind = CollectiveKind::kBarrier;
  other.bytes = 0;
  other.label = "run is saved";
  ranks.at(2, {other}, 12);
  EXPECT_EQ(text(ranks),
            "different collectives in dp, call 7, for 12.0 s: rank 2 (node1, pid 102) in barrier "
            "\"run is saved\"; ranks 0, 1, 3 in all_reduce \"gradients\", 4.00 MiB");
}

TEST(StallText, TellsChainAndCircle) {
  const auto [tp, dp] = grid_of_pairs();
  RanksOnPaper ranks(4);
  ranks.at(1, {under_way(tp[0], 3, 11)}, 11);
  ranks.at(0, {started(dp[0], 7, 12, true), done(tp[0], 2)}, 12);
  ranks.at(2, {}, 13);
  EXPECT_EQ(
      text(ranks),
      "rank 2 (node1, pid 102) has not begun it: training, without progress for 13.0 s; rank "
      "0 waits for it in dp (started): all_reduce \"gradients\", 4.00 MiB, call 7, for 12.0 "
      "s; rank 1 waits for rank 0 in tp: all_reduce \"gradients\", 4.00 MiB, call 3, for 11.0 "
      "s");
  const GroupIdentity other = make_identity("kv", Waiting::kPrompt, 8, {0, 1});
  ranks.at(0, {under_way(other, 4, 12), done(tp[0], 2)}, 12);
  EXPECT_EQ(
      text(ranks),
      "ranks wait for one another: one left a collective out, or took another order; rank 1 "
      "waits for rank 0 in tp: all_reduce \"gradients\", 4.00 MiB, call 3, for 11.0 s; rank 0 "
      "waits for rank 1 in kv: all_reduce \"gradients\", 4.00 MiB, call 4, for 12.0 s");
}

TEST(StallText, TellsThatNoRankIsMissing) {
  RanksOnPaper ranks = all_wait_for_two();
  ranks.at(2, {under_way(kAll, 7, 12)}, 12);
  EXPECT_EQ(text(ranks),
            std::string("no rank is missing, and yet a collective does not end: its messages do "
                        "not arrive; ranks 0-3 wait ") +
                kWait);
}

TEST(StallText, StaysShortInLargeWorlds) {
  constexpr int kRanks = 1000;
  std::vector<int> everyone;
  for (int rank = 0; rank < kRanks; ++rank) everyone.push_back(rank);
  const GroupIdentity all = make_identity("all", Waiting::kPrompt, 1, everyone);
  RanksOnPaper ranks(kRanks);
  for (int rank = 0; rank < kRanks; rank += 10) ranks.at(rank, {under_way(all, 7, 12)}, 12);
  for (HeardRank& rank : ranks.heard) rank.record.idle_s = 12;
  const std::string told = text(ranks);
  EXPECT_NE(told.find("; and 892 more; ranks 0, 10, 20"), std::string::npos) << told;
  EXPECT_LT(told.size(), 2000u);
}

}  // namespace
}  // namespace lckv::comm
