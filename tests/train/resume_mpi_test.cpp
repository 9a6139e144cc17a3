#include <chrono>
#include <thread>

#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/checkpoint/file_calls.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "shared_run.h"

// On one and the same grid a continued run is the uninterrupted one, bit for bit, however its
// states were written.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kStates[] = {3, 6, 8};

/// The tensor extents of this program's grids; 0 is one process alone.
std::vector<int> extents() {
  std::vector<int> all = {0};
  for (int tp = 1; tp <= std::min(4, world().size()); tp *= 2) all.push_back(tp);
  return all;
}

/// Makes every call that changes the disk slow, so that training goes on while a state is written.
class SlowDisk {
 private:
  checkpoint::ScopedFileCallHook hook_{[](std::string_view) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return 0;
  }};
};

class ResumeOnGrid : public testing::Test {
 protected:
  ResumeOnGrid() { set_log_quiet(true); }

  /// One that takes no time: its laws are exact.
  static config::RunConfig quick_run(const std::string& name) {
    config::RunConfig run = shared_run(name);
    run.model.hidden_size = 16;
    run.model.intermediate_size = 16;
    run.model.num_hidden_layers = 3;
    run.model.layer_types = "0_2_2";
    run.data.sequence_tokens = 16;
    run.train.precision = config::Precision::kFp32;
    return run;
  }

  static config::RunConfig with(config::RunConfig run, const std::string& name, bool asynchronous) {
    run.output += "-" + name;
    run.checkpoint.asynchronous = asynchronous;
    return run;
  }

  static void train(config::RunConfig run, int tensor) {
    if (tensor == 0) return train_on_first_rank(run, run.output);
    run.parallel.tensor = tensor;
    train::run_training(world(), run, kNeverStop);
  }

  static void expect_same_states(const config::RunConfig& actual, const config::RunConfig& expected,
                                 const std::string& where) {
    if (world().rank() != 0) return;
    for (const int64_t step : kStates) {
      EXPECT_EQ(state_difference(state_of(actual.output, step), state_of(expected.output, step)),
                "")
          << where << ", step " << step;
    }
    EXPECT_EQ(timeless_metrics(actual.output), timeless_metrics(expected.output)) << where;
  }

  /// As a run that died after step 3: its saved state, and metrics that had already gone further.
  static void copy_beginning(const std::string& from, const std::string& to) {
    if (world().rank() == 0) {
      fs::create_directories(to);
      fs::copy(state_of(from, 3), state_of(to, 3), fs::copy_options::recursive);
      fs::copy_file(from + "/metrics.jsonl", to + "/metrics.jsonl");
    }
    world().all().barrier("copied");
  }
};

TEST_F(ResumeOnGrid, AContinuedRunEqualsTheUninterruptedOneBitForBit) {
  const config::RunConfig run = quick_run("resume");
  for (const int tensor : extents()) {
    for (const bool asynchronous : {true, false}) {
      const std::string name = format("{}-{}", tensor, asynchronous);
      const config::RunConfig whole = with(run, name, asynchronous);
      const config::RunConfig continued = with(run, name + "-continued", asynchronous);
      train(whole, tensor);
      copy_beginning(whole.output, continued.output);
      train(continued, tensor);
      expect_same_states(continued, whole, name);
    }
  }
}

TEST_F(ResumeOnGrid, AsynchronousSavesWriteTheBytesOfSynchronousOnes) {
  const config::RunConfig run = quick_run("asynchronous");
  for (const int tensor : extents()) {
    const config::RunConfig at_once = with(run, format("{}-at-once", tensor), false);
    const config::RunConfig beside = with(run, format("{}-beside", tensor), true);
    train(at_once, tensor);
    {
      const SlowDisk slow;
      train(beside, tensor);
    }
    expect_same_states(beside, at_once, format("tensor {}", tensor));
  }
}

}  // namespace
}  // namespace lckv::test
