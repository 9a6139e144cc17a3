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
  const BenchResult result = bench_training(run, {.steps = 1, .warmup_steps = 1, .gemm_s = 0.01});
  EXPECT_GT(result.planned_bytes, 150 << 20);
  // What the plan leaves out: scratch of kernels, generated code.
  EXPECT_NEAR(double(result.measured_bytes), double(result.planned_bytes),
              0.05 * double(result.planned_bytes));
  EXPECT_GT(result.executed_frac, 0);
  EXPECT_GT(result.work.total_s(), 0.5 * result.profiled_step_s);
}

INSTANTIATE_TEST_SUITE_P(Precisions, Bench,
                         testing::Values(config::Precision::kFp32, config::Precision::kBf16),
                         [](const auto& test) {
                           return test.param == config::Precision::kFp32 ? "fp32" : "bf16";
                         });

}  // namespace
}  // namespace lckv::train
