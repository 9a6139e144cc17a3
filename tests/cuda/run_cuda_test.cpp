// Whole runs on a GPU against runs on the CPU and against each other. Without a GPU they are
// skipped, with LCKV_REQUIRE_CUDA=1 they fail.
#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/comm/communicators.h"
#include "lckv/kernels/attention_backend.h"
#include "lckv/kernels/gemm_tuning.h"
#include "lckv/kernels/scratch_bytes.h"
#include "lckv/model/init.h"
#include "lckv/test_support/mirrored_cuda.h"
#include "lckv/train/bench.h"
#include "lckv/train/model_source.h"
#include "lckv/train/run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "tiny_run.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using config::DeviceChoice;
using config::Precision;

// A process keeps the algorithm of each matrix product that it has met: what these runs share.
class CudaRun : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::has_cuda()) GTEST_SKIP() << "no GPU: " << cuda::why_no_device();
    set_log_quiet(true);
    folder_ = test::fresh_folder("cuda");
  }
  void TearDown() override {
    set_log_quiet(false);
    if (!folder_.empty()) fs::remove_all(folder_);
  }

  /// A run in a folder of its own, on the same data.
  config::RunConfig run(const std::string& name) {
    config::RunConfig config = test::tiny_run(folder_);
    config.output = (folder_ / name).string();
    config.train.device = DeviceChoice::kCuda;
    return config;
  }
  /// Heads of 64, which tensor cores multiply.
  config::RunConfig wide_run(const std::string& name) {
    config::RunConfig config = run(name);
    config.model.hidden_size = 128;
    config.model.intermediate_size = 192;
    config.model.num_attention_heads = 2;
    config.model.num_key_value_heads = 1;
    config.train.precision = Precision::kBf16;
    return config;
  }
  static RunResult train(const config::RunConfig& config) {
    const std::atomic<bool> never{false};
    comm::World world = comm::World::alone();
    return run_training(world, config, never);
  }
  static std::vector<double> losses(const config::RunConfig& config) {
    std::vector<double> all;
    for (const auto& row : test::metrics_of(config.output)) {
      if (row.contains("loss")) all.push_back(row["loss"]);
    }
    return all;
  }
  static std::string difference(const config::RunConfig& a, const config::RunConfig& b) {
    return test::differing_tensors(test::state_of(a.output, a.train.steps),
                                   test::state_of(b.output, b.train.steps));
  }

  fs::path folder_;
};

TEST_F(CudaRun, TheLossCurveIsThatOfTheCpu) {
  for (const Precision precision : {Precision::kFp64, Precision::kFp32}) {
    const std::string tag = precision == Precision::kFp64 ? "64" : "32";
    config::RunConfig cpu = run("cpu" + tag), gpu = run("gpu" + tag);
    cpu.train.device = DeviceChoice::kCpu;
    cpu.train.precision = gpu.train.precision = precision;
    train(cpu);
    train(gpu);
    const std::vector<double> expected = losses(cpu), actual = losses(gpu);
    ASSERT_EQ(actual.size(), expected.size());
    // Roundings of a step are some 1e4 terms long; eight steps of Adam carry them on.
    const double eps = precision == Precision::kFp64 ? 0x1p-53 : 0x1p-24;
    for (size_t i = 0; i < actual.size(); ++i) {
      EXPECT_NEAR(actual[i], expected[i], 8 * 100 * eps * expected[i]) << "step " << i + 1;
    }
  }
}

TEST_F(CudaRun, TwoRunsAreEqualBitForBit) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp32}) {
    const std::string tag = precision == Precision::kBf16 ? "16" : "32";
    config::RunConfig a = wide_run("a" + tag), b = wide_run("b" + tag);
    a.train.precision = b.train.precision = precision;
    train(a);
    train(b);
    EXPECT_EQ(difference(a, b), "");
    EXPECT_EQ(losses(a), losses(b));
  }
}

// With documents the last token of each is no target: their number, of which the loss's scale is
// made, changes from step to step.
TEST_F(CudaRun, RecordedGraphsChangeNoBit) {
  for (const bool documents : {false, true}) {
    const std::string tag = documents ? "_documents" : "";
    config::RunConfig graphs = wide_run("graphs" + tag), eager = wide_run("eager" + tag);
    graphs.train.graphs = true;
    eager.train.graphs = false;
    graphs.data.document_mask = eager.data.document_mask = documents;
    const RunResult recorded = train(graphs), one_by_one = train(eager);
    // Of two micro-batches in each of eight steps, but for those that run before they are recorded.
    EXPECT_GE(recorded.graph_launches, 8) << tag;
    EXPECT_EQ(one_by_one.graph_launches, 0) << tag;
    EXPECT_EQ(difference(graphs, eager), "") << tag;
    EXPECT_EQ(losses(graphs), losses(eager)) << tag;
  }
}

TEST_F(CudaRun, AContinuedRunEqualsTheUninterruptedOneBitForBit) {
  const config::RunConfig whole = wide_run("whole");
  train(whole);
  config::RunConfig continued = wide_run("continued");
  fs::create_directories(continued.output);
  fs::copy(test::state_of(whole.output, 3), test::state_of(continued.output, 3),
           fs::copy_options::recursive);
  train(continued);
  EXPECT_EQ(difference(whole, continued), "");
}

TEST_F(CudaRun, SynchronousAndAsynchronousSavesHoldTheSame) {
  config::RunConfig a = wide_run("async"), b = wide_run("sync");
  b.checkpoint.asynchronous = false;
  train(a);
  train(b);
  EXPECT_EQ(difference(a, b), "");
}

TEST_F(CudaRun, BothDevicesReadTheSameWeightsFromAState) {
  const config::RunConfig config = run("read");
  train(config);
  const ModelSource source = ModelSource::open(config.output);
  const Device gpu{DeviceKind::kCuda, 0};
  const LoadedWeights here = source.load(DType::kF32);
  const LoadedWeights there = source.load(DType::kF32, comm::single_process(), gpu);
  Stream on_cpu, on_gpu(gpu);
  comm::Communicator& alone = *comm::single_process().tp;
  EXPECT_EQ(model::content_hash(on_cpu, here.weights, alone),
            model::content_hash(on_gpu, there.weights, alone));
}

TEST_F(CudaRun, ARunOfTheCpuGoesOnOnTheGpu) {
  config::RunConfig cpu = run("cpu"), gpu = run("gpu");
  cpu.train.device = DeviceChoice::kCpu;
  cpu.train.precision = gpu.train.precision = Precision::kFp64;
  train(cpu);
  fs::create_directories(gpu.output);
  fs::copy(test::state_of(cpu.output, 3), test::state_of(gpu.output, 3),
           fs::copy_options::recursive);
  train(gpu);
  const std::vector<double> expected = losses(cpu), actual = losses(gpu);
  ASSERT_EQ(actual.size(), 5u);  // steps 4 to 8
  for (size_t i = 0; i < 5; ++i) EXPECT_NEAR(actual[i], expected[i + 3], 1e-12) << "step " << i + 4;
}

TEST_F(CudaRun, EndsWhenTheLossIsNotFiniteTimeAndAgain) {
  config::RunConfig config = run("nan");
  config.guards.max_nonfinite_steps = 2;
  config.optimizer.lr = 1e30;  // weights overflow at once
  config.optimizer.clip_norm = 0;
  config.schedule.warmup_steps = 0;
  config.validation.every_steps = 0;
  const std::atomic<bool> never{false};
  comm::World world = comm::World::alone();
  try {
    run_training(world, config, never);
    FAIL() << "it went on";
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kDiverged) << error.what();
    EXPECT_THAT(error.what(), testing::HasSubstr("not finite in 2 steps in a row"));
    EXPECT_THAT(error.what(), testing::HasSubstr("loss nan on rank 0"));
  }
}

bool has_cudnn() {
  try {
    ops::set_attention_backend(ops::AttentionBackend::kCudnn, true);
  } catch (const CudaError&) {
    return false;
  }
  ops::set_attention_backend(ops::AttentionBackend::kOwn, true);
  return true;
}

TEST_F(CudaRun, KernelsKeepTheScratchMemoryThatWasPlanned) {
  ops::set_gemm_tuning("");  // the file of the run before this one has gone with its folder
  for (const auto attention : {config::Attention::kOwn, config::Attention::kCudnn}) {
    const bool is_cudnn = attention == config::Attention::kCudnn;
    if (is_cudnn && !has_cudnn()) continue;
    SCOPED_TRACE(is_cudnn ? "cudnn" : "own");
    config::RunConfig config = wide_run("scratch");
    config.data.sequence_tokens = 64;
    config.data.document_mask = false;
    config.train.attention = attention;
    comm::World world = comm::World::alone();
    const RankBench rank =
        bench_training(world, config, {.steps = 1, .warmup_steps = 2, .gemm_s = 0.01}).own();
    EXPECT_LE(rank.scratch_bytes, rank.planned_scratch_bytes);
    // What CUB takes for sorting is known to its order of magnitude.
    const int64_t N = config.train.micro_batch_sequences * config.data.sequence_tokens;
    const int64_t sorting = ops::embedding_backward_scratch_bytes(N, config.model.vocab_size);
    EXPECT_GE(rank.scratch_bytes, rank.planned_scratch_bytes - sorting);
    EXPECT_GT(rank.planned_bytes, rank.planned_scratch_bytes);
  }
  ops::set_attention_backend(ops::AttentionBackend::kOwn, true);
}

}  // namespace
}  // namespace lckv::train
