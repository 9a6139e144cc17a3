#include "lckv/doctor/nodes_verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/doctor/nodes_report.h"

namespace lckv::doctor {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr int64_t kGib = int64_t{1} << 30;

/// Two ranks on each of three nodes that are all alike.
NodesFacts good_nodes() {
  NodesFacts facts;
  facts.folder = "/shared";
  facts.bus_bytes_per_s = 5e9;
  for (int rank = 0; rank < 6; ++rank) {
    RankFacts f;
    f.rank = rank;
    f.local_rank = rank % 2;
    f.node_rank = rank - rank % 2;
    f.host = "node" + std::to_string(rank / 2);
    f.device = "NVIDIA H200";
    f.has_gpu = true;
    f.dtype = "bf16";
    f.rates = {.matmul_flops_per_s = 7e14, .memory_bytes_per_s = 4e12};
    f.node_bus_bytes_per_s = 3e11;
    f.clock = {.offset_s = 1e-4 * rank, .error_s = 1e-4};
    f.disk.sees_rank_0 = true;
    f.disk.facts.folder = "/shared";
    f.disk.facts.free_bytes = 100 * kGib;
    facts.ranks.push_back(f);
  }
  return facts;
}

TEST(JudgeNodes, FindsNoFaultInNodesThatAreAlike) {
  EXPECT_THAT(judge_nodes(good_nodes(), {}), IsEmpty());
  EXPECT_THAT(judge_nodes(good_nodes(), {.need_bytes = 100 * kGib}), IsEmpty());
}

TEST(JudgeNodes, NamesARankBelowTheLimitWithItsRateTheMedianAndTheLimit) {
  NodesFacts facts = good_nodes();
  facts.ranks[3].rates.matmul_flops_per_s = 0.81 * 7e14;
  EXPECT_THAT(judge_nodes(facts, {}), IsEmpty());
  facts.ranks[3].rates.matmul_flops_per_s = 0.79 * 7e14;
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre("rank 3 (node1): matmul 553.0 TFLOP/s is 79 % of the median "
                          "700.0 TFLOP/s, limit 80 %"));
  EXPECT_THAT(judge_nodes(facts, {.least_rate_frac = 0.5}), IsEmpty());
  facts = good_nodes();
  facts.ranks[5].rates.memory_bytes_per_s = 1e12;
  EXPECT_THAT(judge_nodes(facts, {}), ElementsAre(AllOf(HasSubstr("rank 5 (node2): memory"),
                                                        HasSubstr("25 % of the median"))));
}

TEST(JudgeNodes, OfTwoRanksTheSlowerIsNamed) {
  NodesFacts facts = good_nodes();
  facts.ranks.resize(2);
  facts.ranks[0].rates.matmul_flops_per_s = 5e14;
  EXPECT_THAT(judge_nodes(facts, {}), ElementsAre(HasSubstr("rank 0 (node0): matmul")));
}

TEST(JudgeNodes, NamesANodeWhoseRanksReachEachOtherSlowly) {
  NodesFacts facts = good_nodes();
  facts.ranks[2].node_bus_bytes_per_s = facts.ranks[3].node_bus_bytes_per_s = 1e10;
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre(HasSubstr("rank 2 (node1): all_reduce within the node 10.0 GB/s")));
}

TEST(JudgeNodes, NamesTheClockThatGoesWrongAlsoRankZeros) {
  NodesFacts facts = good_nodes();
  facts.ranks[4].clock.offset_s = facts.ranks[5].clock.offset_s = -12.5;
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre(AllOf(HasSubstr("rank 4 (node2): clock is 12.5"), HasSubstr("behind"),
                                HasSubstr("+- 0.000200 s, limit 1 s")),
                          HasSubstr("rank 5 (node2)")));
  EXPECT_THAT(judge_nodes(facts, {.most_skew_s = 20}), IsEmpty());
  for (RankFacts& f : facts.ranks) f.clock.offset_s = f.node_rank == 0 ? 0 : 30;
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre(HasSubstr("rank 0 (node0): clock is 30"), HasSubstr("rank 1 (node0)")));
}

TEST(JudgeNodes, NamesANodeWithTooLittleRoom) {
  NodesFacts facts = good_nodes();
  facts.ranks[2].disk.facts.free_bytes = 3 * kGib;
  EXPECT_THAT(judge_nodes(facts, {.need_bytes = 50 * kGib}),
              ElementsAre("node1 (rank 2): 3.00 GiB free at /shared, limit 50.0 GiB"));
  EXPECT_THAT(judge_nodes(facts, {}), IsEmpty());
}

TEST(JudgeNodes, NamesANodeThatDoesNotShareTheFolder) {
  NodesFacts facts = good_nodes();
  facts.ranks[4].disk.sees_rank_0 = false;
  EXPECT_THAT(
      judge_nodes(facts, {}),
      ElementsAre("rank 4 (node2): does not see what rank 0 (node0) wrote in /shared: it is not "
                  "shared"));
  facts.ranks[5].disk.sees_rank_0 = false;
  EXPECT_EQ(judge_nodes(facts, {}).size(), 2U);
  facts.folder = "";
  EXPECT_THAT(judge_nodes(facts, {}), IsEmpty());
}

TEST(JudgeNodes, NamesADiskThatFails) {
  NodesFacts facts = good_nodes();
  facts.ranks[2].disk.rates.problem = "/shared: cannot fsync: Input/output error";
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre("node1 (rank 2): /shared: cannot fsync: Input/output error"));
  facts = good_nodes();
  facts.ranks[4].disk.facts.problem = "/shared: cannot be written: Permission denied";
  EXPECT_THAT(judge_nodes(facts, {}), ElementsAre(HasSubstr("node2 (rank 4): /shared: cannot be")));
  facts = good_nodes();
  facts.ranks[4].disk.rates.locks = false;
  EXPECT_THAT(judge_nodes(facts, {}), ElementsAre("node2 (rank 4): cannot lock /shared: lckv train "
                                                  "refuses to start there"));
}

TEST(JudgeNodes, NamesARankWithoutAGpuAndOneWhoseGpuFails) {
  NodesFacts facts = good_nodes();
  facts.ranks[1].has_gpu = false;
  facts.ranks[1].rates = {.matmul_flops_per_s = 1e11, .memory_bytes_per_s = 1e10};
  EXPECT_THAT(judge_nodes(facts, {}), ElementsAre("rank 1 (node0): sees no GPU, other ranks do"));
  facts = good_nodes();
  facts.ranks[1].problem = "an illegal memory access";
  facts.ranks[1].rates = {};
  EXPECT_THAT(judge_nodes(facts, {}),
              ElementsAre("rank 1 (node0): NVIDIA H200: an illegal memory access"));
  facts = good_nodes();
  for (RankFacts& f : facts.ranks) f.has_gpu = false;
  EXPECT_THAT(judge_nodes(facts, {}), IsEmpty());
}

TEST(RankFacts, SurviveTheirJourney) {
  const RankFacts before = good_nodes().ranks[3], after = decode_rank_facts(encode(before));
  EXPECT_EQ(encode(after), encode(before));
  EXPECT_EQ(after.host, "node1");
  EXPECT_EQ(after.node_rank, 2);
  EXPECT_EQ(after.rates.matmul_flops_per_s, 7e14);
  EXPECT_EQ(after.clock.error_s, 1e-4);
  EXPECT_EQ(after.disk.facts.free_bytes, 100 * kGib);
  EXPECT_TRUE(after.disk.sees_rank_0);
}

TEST(NodesReport, HasARowForEachRankAndNodeAndEveryFault) {
  const std::string text = to_text(good_nodes(), {"node1 (rank 2): a fault"});
  for (const char* const part :
       {"6 ranks on 3 nodes", "bus 5.00 GB/s", "NVIDIA H200", "700.0 TFLOP/s bf16", "4000.0 GB/s",
        "300.0 GB/s", "+0.000200 +- 0.000100 s", "100.0 GiB", "1 fault:\n  node1 (rank 2): a"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(to_text(good_nodes(), {}), HasSubstr("no fault found"));
}

TEST(NodesReport, JsonHoldsVerdictLimitsAndRanks) {
  const nlohmann::json all =
      nlohmann::json::parse(to_json(good_nodes(), {.need_bytes = kGib}, {"fault \" and \xff"}));
  EXPECT_EQ(all.at("ok"), false);
  EXPECT_EQ(all.at("faults").size(), 1U);
  EXPECT_EQ(all.at("limits").at("need_bytes"), kGib);
  ASSERT_EQ(all.at("ranks").size(), 6U);
  EXPECT_EQ(all.at("ranks")[5].at("host"), "node2");
  EXPECT_EQ(nlohmann::json::parse(to_json(good_nodes(), {}, {})).at("ok"), true);
}

}  // namespace
}  // namespace lckv::doctor
