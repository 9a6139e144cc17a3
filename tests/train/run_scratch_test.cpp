#include "lckv/train/run_scratch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/comm/nccl_memory.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/train/run_ranks.h"

namespace lckv::train {
namespace {

constexpr Device kGpu{DeviceKind::kCuda, 0};

/// N = 512, T = 256; 4 heads of 64 over 2; C = 256.
config::RunConfig small_run() {
  config::RunConfig run;
  run.model.hidden_size = 256;
  run.model.intermediate_size = 512;
  run.model.num_hidden_layers = 6;
  run.model.num_attention_heads = 4;
  run.model.num_key_value_heads = 2;
  run.model.vocab_size = 4096;
  run.model.layer_types = "0_4_4_4_4_5";
  run.data.sequence_tokens = 256;
  run.train.steps = 1;
  run.train.sequences_per_step = 2;
  return run;
}

model::ScratchMemory plan(const config::RunConfig& run, Device device) {
  return plan_run_scratch(run, DType::kBF16, comm::single_process(), device);
}

int64_t bytes_of(const model::ScratchMemory& scratch, const std::string& name) {
  int64_t bytes = 0;
  for (const Arena::Piece& piece : scratch.pieces) bytes += piece.name == name ? piece.bytes : 0;
  return bytes;
}

TEST(RunScratch, IsWhatTheKernelsOfAGpuAskFor) {
  const model::ScratchMemory scratch = plan(small_run(), kGpu);
  EXPECT_EQ(bytes_of(scratch, "matmul"), 32 << 20);
  EXPECT_EQ(bytes_of(scratch, "partial sums"), 264 * 256 * 4);  // blocks, C, F32
  EXPECT_EQ(bytes_of(scratch, "attention"), 2 * 4 * 256 * 8);   // B, heads, T, two F32
  EXPECT_GE(bytes_of(scratch, "sorted tokens"), 6 * 4 * 512 + 4 * 4097);
  EXPECT_EQ(scratch.pieces.size(), 4u);
  EXPECT_TRUE(scratch.unknown.empty());
}

TEST(RunScratch, IsNotPlannedForTheCpu) {
  const model::ScratchMemory scratch = plan(small_run(), {});
  EXPECT_EQ(scratch.bytes(), 0);
  EXPECT_TRUE(scratch.unknown.empty());
}

TEST(RunScratch, OfCudnnIsUnknownWithoutAGpuAndNotZero) {
  if (cuda::device_count() > 0) GTEST_SKIP() << "there is a GPU";
  config::RunConfig run = small_run();
  run.train.attention = config::Attention::kCudnn;
  const model::ScratchMemory scratch = plan(run, kGpu);
  EXPECT_THAT(scratch.unknown, testing::ElementsAre(testing::HasSubstr("cuDNN")));
  EXPECT_EQ(bytes_of(scratch, "attention"), 0);
}

TEST(RunScratch, OfNcclIsThatOfEveryGroupOfSeveralRanks) {
  config::RunConfig run = small_run();
  run.parallel.tensor = 2;
  comm::Communicators ranks = planned_grid(run, 4, 0);  // dp 2 x tp 2, K,V heads of their own
  EXPECT_EQ(plan_run_scratch(run, DType::kBF16, ranks, kGpu).pieces.size(), 4u);
  ranks.over_nccl = true;
  const model::ScratchMemory scratch = plan_run_scratch(run, DType::kBF16, ranks, kGpu);
  EXPECT_EQ(bytes_of(scratch, "nccl staging"), 3 * comm::kNcclStagingBytes);  // world, dp, tp
  EXPECT_EQ(scratch.pieces.size(), 5u);
}

}  // namespace
}  // namespace lckv::train
