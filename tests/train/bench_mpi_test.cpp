#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/mpi_test/world.h"
#include "lckv/train/bench.h"
#include "lckv/train/bench_comm.h"

namespace lckv::train {
namespace {

using Json = nlohmann::json;
using test::world;

/// LCKV of seconds, which up to 8 ranks can share in any way.
config::RunConfig tiny_config(int64_t tensor) {
  config::RunConfig run;
  run.model.hidden_size = 64;
  run.model.intermediate_size = 96;
  run.model.num_hidden_layers = 4;
  run.model.num_attention_heads = 8;
  run.model.num_key_value_heads = 4;
  run.model.vocab_size = 260;
  run.model.layer_types = "0_2_2_3";
  run.model.forward_passes = 1;
  run.data.sequence_tokens = 16;
  run.train.steps = 1;
  run.train.sequences_per_step = 16;
  run.train.micro_batch_sequences = 1;
  run.train.precision = config::Precision::kFp32;
  run.train.threads = 1;
  run.parallel.tensor = tensor;
  run.parallel.oversubscribe = true;
  return run;
}

constexpr double kClock_s = 1e-9;  // resolution of the timeline's clock

class BenchOnGrid : public testing::TestWithParam<int> {
 protected:
  /// Of the grid whose tensor extent is the parameter or, for fewer ranks, all ranks.
  static int tensor() { return std::gcd(GetParam(), world().size()); }
  static int data() { return world().size() / tensor(); }

  const BenchResult result_ =
      bench_training(world(), tiny_config(tensor()),
                     {.steps = 2, .warmup_steps = 1, .gemm_s = 0.02, .keep_timelines = true});
};

TEST_P(BenchOnGrid, MeasuresTheGlobalBatchAlikeOnAllRanks) {
  EXPECT_EQ(result_.grid.tp, tensor());
  EXPECT_EQ(result_.grid.dp, data());
  EXPECT_EQ(result_.B, 1);
  EXPECT_EQ(result_.T, 16);
  EXPECT_EQ(result_.micro_batches * data(), 16);
  for (const double value : {result_.tokens_per_s, result_.executed_frac, result_.useful_frac,
                             result_.gemm_flops_per_s, result_.profiled_step_s}) {
    EXPECT_TRUE(std::isfinite(value) && value > 0) << value;
  }
  EXPECT_EQ(result_.ranks.size(), static_cast<size_t>(world().size()));
  for (const RankBench& rank : result_.ranks) {
    EXPECT_GT(rank.planned_bytes, 0);
    EXPECT_GT(rank.step_s, 0);
    const CommTimes times = total(rank.comm);
    EXPECT_GT(times.exposed_s(), 0);
    EXPECT_LE(times.exposed_s(), rank.step_s);
  }
  const std::string here = format("{} {} {}", result_.tokens_per_s, result_.gemm_flops_per_s,
                                  total(result_.ranks.back().comm).exposed_s());
  for (const std::string& text : comm::gather_texts(world().all(), here)) EXPECT_EQ(text, here);
  EXPECT_FALSE(to_text(result_).empty());
  EXPECT_EQ(Json::parse(to_json(result_)).at("ranks").size(), result_.ranks.size());
}

TEST_P(BenchOnGrid, EveryCountedCollectiveIsInTheTrace) {
  ASSERT_EQ(result_.timelines.size(), world().rank() == 0 ? result_.ranks.size() : 0u);
  for (const RankTimeline& timeline : result_.timelines) {
    std::map<std::string, int64_t> seen, counted;
    for (const TimelineSpan& span : timeline.spans) {
      if (span.category == "collective") ++seen[span.name];
    }
    for (const auto& [label, of_label] : result_.ranks[size_t(timeline.rank)].comm) {
      counted[label] = of_label.calls;
    }
    EXPECT_EQ(seen, counted) << "rank " << timeline.rank;
  }
}

TEST_P(BenchOnGrid, StartedCollectivesAreHiddenOrAwaited) {
  for (const RankTimeline& timeline : result_.timelines) {
    double started_s = 0, waited_s = 0, spans = 0;
    for (const TimelineSpan& span : timeline.spans) {
      const double length_s = span.end_s - span.begin_s;
      if (span.category == "collective" && span.lane != "main") started_s += length_s;
      if (span.category == "wait") waited_s += length_s;
      ++spans;
    }
    const CommTimes times = total(result_.ranks[size_t(timeline.rank)].comm);
    EXPECT_NEAR(times.started_s, started_s, kClock_s);
    EXPECT_NEAR(times.waited_s, waited_s, kClock_s);
    EXPECT_NEAR(times.hidden_s + times.awaited_s, started_s, spans * kClock_s);
    EXPECT_LE(times.awaited_s, waited_s + spans * kClock_s);
    EXPECT_EQ(started_s > 0, data() > 1);
  }
}

/// Spans in the order in which they begin, outer ones first.
struct Event {
  int64_t begin_ns, end_ns;
  bool operator<(const Event& other) const {
    return begin_ns != other.begin_ns ? begin_ns < other.begin_ns : end_ns > other.end_ns;
  }
};

void expect_nested(std::vector<Event> events, const std::string& where) {
  std::sort(events.begin(), events.end());
  std::vector<Event> open;
  for (const Event& event : events) {
    while (!open.empty() && open.back().end_ns <= event.begin_ns) open.pop_back();
    const int64_t limit_ns = open.empty() ? event.end_ns : open.back().end_ns;
    EXPECT_LE(event.end_ns, limit_ns) << where;
    open.push_back(event);
  }
}

TEST_P(BenchOnGrid, TraceShowsEveryRankInsideTheStepWithNestedSpans) {
  if (world().rank() != 0) return;  // it has the trace
  const Json trace = Json::parse(to_chrome_trace(result_.timelines));
  std::map<std::pair<int, int>, std::vector<Event>> lanes;
  std::map<int, Event> steps;
  std::set<std::string> categories;
  for (const Json& event : trace.at("traceEvents")) {
    if (event.at("ph") != "X") continue;
    const int64_t begin_ns = std::llround(event.at("ts").get<double>() * 1e3);
    const Event span{begin_ns, begin_ns + std::llround(event.at("dur").get<double>() * 1e3)};
    const int pid = event.at("pid");
    lanes[{pid, event.at("tid")}].push_back(span);
    categories.insert(event.at("cat"));
    if (event.at("name") == "step") steps[pid] = span;
  }
  ASSERT_EQ(steps.size(), result_.ranks.size());
  EXPECT_TRUE(categories.contains("compute") && categories.contains("collective"));
  for (const auto& [lane, events] : lanes) {
    expect_nested(events, format("rank {} lane {}", lane.first, lane.second));
    const Event& step = steps.at(lane.first);
    EXPECT_GE(step.begin_ns, 0);
    for (const Event& event : events) {
      EXPECT_GE(event.begin_ns, step.begin_ns);
      EXPECT_LE(event.end_ns, step.end_ns);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Tensor, BenchOnGrid, testing::Values(1, 2, 8));

TEST(BenchCollectives, MeasuresEverySize) {
  const BenchCommResult result = bench_collectives(world(), {.max_bytes = 1024, .budget_s = 0.002});
  EXPECT_EQ(result.ranks, world().size());
  EXPECT_EQ(result.hosts.size(), static_cast<size_t>(world().size()));
  EXPECT_GT(result.copy_bytes_per_s, 0);
  std::map<std::string, std::set<int64_t>> sizes;
  for (const CollectiveRate& rate : result.rates) {
    sizes[rate.collective + rate.dtype].insert(rate.bytes);
    EXPECT_GE(rate.calls, 3);
    EXPECT_GT(rate.min_s, 0);
    EXPECT_LE(rate.min_s, rate.median_s);
    EXPECT_TRUE(std::isfinite(rate.bus_bytes_per_s()));
  }
  EXPECT_EQ(sizes.at("all_reducef32"), (std::set<int64_t>{4, 64, 1024}));
  EXPECT_EQ(sizes.at("all_reducebf16"), (std::set<int64_t>{4, 64, 1024}));
  EXPECT_EQ(sizes.at("all_gatherf32"), (std::set<int64_t>{4 * world().size(), 64, 1024}));
  EXPECT_EQ(sizes.at("barrier").size(), 1u);
  EXPECT_EQ(sizes.size(), 7u);
  EXPECT_FALSE(to_text(result).empty());
  EXPECT_EQ(Json::parse(to_json(result)).at("collectives").size(), result.rates.size());
}

}  // namespace
}  // namespace lckv::train
