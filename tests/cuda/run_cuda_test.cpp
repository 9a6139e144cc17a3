// Whole runs on a GPU against runs on the CPU and against each other. Without a GPU they are skipped,
// with LCKV_REQUIRE_CUDA=1 they fail.
#include <cmath>
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/comm/communicators.h"
#include "lckv/model/init.h"
#include "lckv/test_support/mirrored_cuda.h"
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
  static void train(const config::RunConfig& config) {
    const std::atomic<bool> never{false};
    comm::World world = comm::World::alone();
    run_training(world, config, never);
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

TEST_F(CudaRun, RecordedGraphsChangeNoBit) {
  config::RunConfig graphs = wide_run("graphs"), eager = wide_run("eager");
  graphs.train.graphs = true;
  eager.train.graphs = false;
  // Else the loss's scale changes from step to step, and nothing is recorded.
  graphs.data.document_mask = eager.data.document_mask = false;
  train(graphs);
  train(eager);
  EXPECT_EQ(difference(graphs, eager), "");
  EXPECT_EQ(losses(graphs), losses(eager));
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
  }
}

}  // namespace
}  // namespace lckv::train
