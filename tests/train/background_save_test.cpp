#include <algorithm>
#include <chrono>
#include <mutex>
#include <semaphore>
#include <thread>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/checkpoint/background_saver.h"
#include "lckv/checkpoint/file_calls.h"
#include "lone_run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "stepping_run.h"
#include "tiny_run.h"

// States that are written while training goes on: they hold the bytes of the moment when they were
// taken.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

int64_t steps_told(const std::string& output) {
  int64_t steps = 0;
  std::ifstream file(output + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    steps += line.find("\"grad_norm\"") != std::string::npos ? 1 : 0;
  }
  return steps;
}

/// Sleeps before every call that changes the disk.
class SlowDisk {
  static int on_call(std::string_view) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    return 0;
  }
  checkpoint::ScopedFileCallHook hook_{on_call};
};

/// Holds the first state that the run of `output` begins to write, that of `step`, until the run
/// has done three more steps, or a minute is over, in which it did not.
class DiskThatWaitsForSteps {
 public:
  DiskThatWaitsForSteps(std::string output, int64_t step)
      : output_(std::move(output)), step_(step) {}
  int64_t steps_meanwhile() const { return steps_; }

 private:
  int on_call(std::string_view call) {
    const bool trains = std::this_thread::get_id() == trainer_;
    if (trains || call != "mkdir" || std::exchange(is_done_, true)) return 0;
    for (int i = 0; i < 60000 && steps_ < 3; ++i) {
      steps_ = steps_told(output_) - step_;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return 0;
  }

  const std::thread::id trainer_ = std::this_thread::get_id();
  std::string output_;
  int64_t step_;
  bool is_done_ = false;
  int64_t steps_ = 0;
  checkpoint::ScopedFileCallHook hook_{[this](std::string_view call) { return on_call(call); }};
};

/// Holds the second piece that is written until it is let go.
class HeldDisk {
 public:
  ~HeldDisk() { let_go(); }
  void wait_until_held() { held_.acquire(); }
  void let_go() { released_.release(2); }

 private:
  int on_call(std::string_view call) {
    if (call != "write" || ++writes_ != 2) return 0;
    held_.release();
    released_.acquire();
    return 0;
  }

  int writes_ = 0;
  std::counting_semaphore<4> held_{0}, released_{0};
  checkpoint::ScopedFileCallHook hook_{[this](std::string_view call) { return on_call(call); }};
};

class BackgroundSave : public testing::Test {
 protected:
  BackgroundSave()
      : folder_(fresh_folder(testing::UnitTest::GetInstance()->current_test_info()->name())),
        run_(tiny_run(folder_)) {
    set_log_quiet(true);
    run_.train.steps = 8;
    run_.checkpoint.keep_last = 0;
    run_.checkpoint.every_steps = 1;
  }
  ~BackgroundSave() override {
    set_log_quiet(false);
    fs::remove_all(folder_);
  }

  config::RunConfig named(const std::string& name) const {
    config::RunConfig run = run_;
    run.output = (folder_ / name).string();
    return run;
  }

  /// The run whose states all are written at once.
  std::string saved_at_once() const {
    config::RunConfig run = named("at-once");
    run.checkpoint.asynchronous = false;
    train_alone(run);
    return run.output;
  }

  fs::path folder_;
  config::RunConfig run_;
};

TEST_F(BackgroundSave, HoldsTheBytesOfASynchronousOneAlthoughTrainingGoesOn) {
  run_.train.steps = 40;
  run_.checkpoint.every_steps = 20;
  run_.validation.every_steps = 0;
  const std::string expected = saved_at_once();
  const config::RunConfig run = named("beside");
  const DiskThatWaitsForSteps disk(run.output, run.checkpoint.every_steps);
  train_alone(run);
  EXPECT_GE(disk.steps_meanwhile(), 3);
  for (const int64_t step : {20, 40}) {
    EXPECT_EQ(state_difference(state_of(run.output, step), state_of(expected, step)), "");
  }
}

TEST_F(BackgroundSave, ThatIsToWaitForTheOneBeforeIsNeverLeftOut) {
  const std::string expected = saved_at_once();
  const config::RunConfig run = named("wait");
  const SlowDisk slow;
  train_alone(run);
  double waited_s = 0;
  for (const auto& row : metrics_of(run.output)) waited_s += row.value("save_waited_s", 0.0);
  EXPECT_GT(waited_s, 0);
  for (int64_t step = 1; step <= run.train.steps; ++step) {
    EXPECT_EQ(state_difference(state_of(run.output, step), state_of(expected, step)), "");
  }
}

TEST_F(BackgroundSave, ThatIsSkippedIsToldAndTheOthersAreRight) {
  const std::string expected = saved_at_once();
  config::RunConfig run = named("skip");
  run.checkpoint.when_busy = config::WhenBusy::kSkip;
  run.checkpoint.keep_best = true;  // is never skipped
  const SlowDisk slow;
  testing::internal::CaptureStderr();
  train_alone(run);
  const std::string log = testing::internal::GetCapturedStderr();
  std::ifstream file(run.output + "/status.json");
  const std::string status((std::istreambuf_iterator<char>(file)), {});
  int64_t skipped = 0;
  for (int64_t step = 1; step <= run.train.steps; ++step) {
    const std::string told = format("step {}: not saved", step);
    const bool stands = fs::exists(state_of(run.output, step));
    EXPECT_EQ(log.find(told) == std::string::npos, stands) << step;
    EXPECT_EQ(status.find(told) == std::string::npos, stands) << step;
    skipped += stands ? 0 : 1;
    if (!stands) continue;
    EXPECT_EQ(state_difference(state_of(run.output, step), state_of(expected, step)), "");
  }
  EXPECT_GT(skipped, 0);
  EXPECT_TRUE(fs::exists(state_of(run.output, run.train.steps)));
  const auto best = record_of(state_of(run.output, run.train.steps)).position.best;
  ASSERT_TRUE(best.has_value());
  EXPECT_TRUE(fs::exists(state_of(run.output, best->step)));
}

/// The fault that a snapshot prevents: what is written changes meanwhile.
TEST_F(BackgroundSave, WithoutASnapshotIsTorn) {
  for (const bool with_snapshot : {true, false}) {
    const config::RunConfig run = named(with_snapshot ? "snapshot" : "torn");
    SteppingRun stepping(comm::single_process(), run);
    stepping.start();
    stepping.steps(3);
    const fs::path expected = folder_ / "expected";
    stepping.save(expected.string());
    Arena plan = Arena::planning();
    train::StateSnapshot(plan, stepping.trainer());
    Arena arena = Arena::allocate(plan);
    train::StateSnapshot snapshot(arena, stepping.trainer());
    Stream stream;
    snapshot.take(stream, stepping.trainer());
    {
      HeldDisk held;
      checkpoint::BackgroundSaver saver(comm::make_alone("save"));
      saver.start({run.output,
                   3,
                   with_snapshot ? snapshot.shards() : train::shards_to_save(stepping.trainer()),
                   to_json(stepping.record(), run),
                   {}});
      held.wait_until_held();
      stepping.steps(5);
      held.let_go();
      saver.wait();
    }
    EXPECT_EQ(differing_tensors(state_of(run.output, 3), state_of(expected.string(), 3)).empty(),
              with_snapshot);
  }
}

}  // namespace
}  // namespace lckv::test
