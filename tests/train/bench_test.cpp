#include "lckv/train/bench.h"

#include <gtest/gtest.h>

namespace lckv::train {
namespace {

class Bench : public testing::TestWithParam<config::Precision> {};

TEST_P(Bench, MeasuresTheMemoryThatThePlanForetold) {
  config::RunConfig run;
  run.model.hidden_size = 256;
  run.model.intermediate_size = 512;
  run.model.num_hidden_layers = 6;
  run.model.num_attention_heads = 4;
  run.model.num_key_value_heads = 2;
  run.model.vocab_size = 4096;
  run.model.layer_types = "0_4_4_4_4_5";
  run.model.forward_passes = 1;
  run.data.sequence_tokens = 256;
  run.train.steps = 1;
  run.train.sequences_per_step = 8;
  run.train.precision = GetParam();
  run.train.threads = 1;
  comm::World world = comm::World::join();
  ASSERT_EQ(world.size(), 1);
  const BenchResult result =
      bench_training(world, run, {.steps = 1, .warmup_steps = 1, .gemm_s = 0.01});
  const RankBench& own = result.own();
  EXPECT_GT(own.planned_bytes, 150 << 20);
  // The plan leaves out the kernels' scratch, which is counted: megabytes where oneDNN multiplies
  // bf16 without AMX. What else there is, generated code and allocators, is small.
  EXPECT_NEAR(double(own.measured_bytes - own.scratch_bytes), double(own.planned_bytes),
              0.05 * double(own.planned_bytes))
      << "kernel scratch: " << own.scratch_bytes;
  EXPECT_GT(result.executed_frac, 0);
  EXPECT_GT(result.work.total_s(), 0.5 * result.profiled_step_s);
  EXPECT_TRUE(own.comm.empty());
  EXPECT_TRUE(result.timelines.empty());
}

INSTANTIATE_TEST_SUITE_P(Precisions, Bench,
                         testing::Values(config::Precision::kFp32, config::Precision::kBf16),
                         [](const auto& test) {
                           return test.param == config::Precision::kFp32 ? "fp32" : "bf16";
                         });

TEST(MeasureComm, WhatTheDeviceHasMeasuredReplacesTheSpansOfQueueing) {
  const std::vector<TimelineSpan> spans = {
      {"grad", "collective", "main", 0, 1},
      {"tokens", "collective", "main", 1, 3},
  };
  const std::map<std::string, comm::Traffic> traffic = {
      {"grad", {comm::CollectiveKind::kReduceScatter, 2, 100}}};
  const std::map<std::string, comm::DeviceTimes> on_device = {
      {"grad", {.blocking_s = 0.5, .waited_s = 2, .started_s = 7, .awaited_s = 1.5}}};
  const StepComm comm = measure_comm(spans, traffic, on_device);

  const LabelComm& grad = comm.at("grad");
  EXPECT_TRUE(grad.on_device);
  EXPECT_EQ(grad.calls, 2);
  EXPECT_DOUBLE_EQ(grad.times.exposed_s(), 2.5);
  EXPECT_DOUBLE_EQ(grad.times.hidden_s, 5.5);
  EXPECT_FALSE(comm.at("tokens").on_device);
  EXPECT_DOUBLE_EQ(comm.at("tokens").times.blocking_s, 2);
  EXPECT_TRUE(is_measured_on_device(comm));
  EXPECT_FALSE(is_measured_on_device(measure_comm(spans, traffic)));
}

TEST(MeasureComm, StartedCollectivesAreHiddenWhereNobodyWaitsForTheirLane) {
  const std::vector<TimelineSpan> spans = {
      {"grad", "collective", "dp started", 1, 5},     // awaited from 3 to 4
      {"weights", "collective", "dp started", 5, 8},  // awaited all along, behind another label
      {"heads", "collective", "tp started", 3, 4},    // beside a wait for another lane
      {"step", "step", "main", 0, 10},
      {"matmul", "compute", "main", 0, 2},
      {"norm", "collective", "main", 2, 3},
      {"grad", "wait", "main", 3, 4},
      {"weights", "wait", "main", 4.5, 4.75},
      {"grad", "wait", "main", 5, 8.5},
  };
  const std::map<std::string, comm::Traffic> traffic = {
      {"grad", {comm::CollectiveKind::kReduceScatter, 1, 100}},
      {"norm", {comm::CollectiveKind::kAllReduce, 1, 8}}};
  StepComm comm = measure_comm(spans, traffic);

  EXPECT_EQ(comm["grad"].collective, "reduce_scatter");
  EXPECT_EQ(comm["grad"].calls, 1);
  EXPECT_EQ(comm["grad"].sent_bytes, 100);
  EXPECT_DOUBLE_EQ(comm["grad"].times.started_s, 4);
  EXPECT_DOUBLE_EQ(comm["grad"].times.awaited_s, 1.25);
  EXPECT_DOUBLE_EQ(comm["grad"].times.hidden_s, 2.75);
  EXPECT_DOUBLE_EQ(comm["grad"].times.waited_s, 4.5);
  EXPECT_DOUBLE_EQ(comm["grad"].times.blocking_s, 0);

  EXPECT_DOUBLE_EQ(comm["weights"].times.awaited_s, 3);
  EXPECT_DOUBLE_EQ(comm["weights"].times.hidden_s, 0);
  EXPECT_DOUBLE_EQ(comm["heads"].times.awaited_s, 0);
  EXPECT_DOUBLE_EQ(comm["heads"].times.hidden_s, 1);

  EXPECT_DOUBLE_EQ(comm["norm"].times.blocking_s, 1);
  EXPECT_DOUBLE_EQ(comm["norm"].times.exposed_s(), 1);
  EXPECT_FALSE(comm.contains("matmul"));
  EXPECT_FALSE(comm.contains("step"));
  EXPECT_DOUBLE_EQ(total(comm).exposed_s(), 1 + 4.5 + 0.25);
}

}  // namespace
}  // namespace lckv::train
