#include <algorithm>
#include <chrono>
#include <mutex>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/log.h"
#include "lckv/checkpoint/background_saver.h"
#include "lckv/checkpoint/file_calls.h"
#include "lckv/train/run.h"
#include "run_metrics.h"
#include "saved_state.h"
#include "stepping_run.h"
#include "tiny_run.h"

// States that are written while training goes on: they hold the bytes of the moment when they were
// taken.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;

const std::atomic<bool> kNeverStop{false};

int64_t steps_told(const std::string& output) {
  int64_t steps = 0;
  std::ifstream file(output + "/metrics.jsonl");
  for (std::string line; std::getline(file, line);) {
    steps += line.find("\"grad_norm\"") != std::string::npos ? 1 : 0;
  }
  return steps;
}

/// Sleeps before every call that changes the disk, and counts the steps that the run of `output`
/// does from the beginning of a save to its end.
class SlowDisk {
 public:
  explicit SlowDisk(std::string output) : output_(std::move(output)) {}
  /// Of the save during which most were done.
  int64_t most_steps_in_a_save() const { return most_; }

 private:
  int on_call(std::string_view call) {
    std::this_thread::sleep_for(std::chrono::microseconds(200));
    const int64_t now = steps_told(output_);
    if (call == "mkdir") at_begin_ = now;  // a state begins with its folder
    if (at_begin_ >= 0) most_ = std::max(most_, now - at_begin_);
    return 0;
  }

  std::string output_;
  int64_t at_begin_ = -1, most_ = 0;
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

  static void train(const config::RunConfig& run) {
    comm::World world = comm::World::alone();
    train::run_training(world, run, kNeverStop);
  }

  /// The run whose states all are written at once.
  std::string saved_at_once() const {
    config::RunConfig run = named("at-once");
    run.checkpoint.asynchronous = false;
    train(run);
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
  const SlowDisk slow(run.output);
  train(run);
  EXPECT_GE(slow.most_steps_in_a_save(), 3);
  for (const int64_t step : {20, 40}) {
    EXPECT_EQ(state_difference(state_of(run.output, step), state_of(expected, step)), "");
  }
}

TEST_F(BackgroundSave, ThatIsToWaitForTheOneBeforeIsNeverLeftOut) {
  const std::string expected = saved_at_once();
  const config::RunConfig run = named("wait");
  const SlowDisk slow(run.output);
  train(run);
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
  const SlowDisk slow(run.output);
  testing::internal::CaptureStderr();
  train(run);
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
      const SlowDisk slow(run.output);
      checkpoint::BackgroundSaver saver(comm::make_alone("save"));
      saver.start({run.output,
                   3,
                   with_snapshot ? snapshot.shards() : train::shards_to_save(stepping.trainer()),
                   to_json(stepping.record(), run),
                   {}});
      stepping.steps(5);
      saver.wait();
    }
    EXPECT_EQ(differing_tensors(state_of(run.output, 3), state_of(expected.string(), 3)).empty(),
              with_snapshot);
  }
}

}  // namespace
}  // namespace lckv::test
