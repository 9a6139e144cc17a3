#include "lckv/train/bench_checkpoint.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "bench_checkpoint_run.h"
#include "lckv/base/log.h"
#include "lckv/model/parameters.h"

namespace lckv::train {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;
using test::Written;
using testing::HasSubstr;

constexpr int64_t kSaves = 2;

class BenchCheckpoint : public testing::Test {
 protected:
  BenchCheckpoint() { set_log_quiet(true); }
  ~BenchCheckpoint() override {
    set_log_quiet(false);
    fs::remove_all(top_);
  }

  BenchCheckpointResult measure(const config::RunConfig& config, const std::string& folder = "") {
    return bench_checkpoint(
        world_, config,
        {.steps = 3, .warmup_steps = 1, .saves = kSaves, .folder = folder, .copy_bytes = 1 << 20},
        stop_);
  }

  config::RunConfig tiny_run() const {
    config::RunConfig config = test::tiny_saving_run();
    config.output = (top_ / "runs" / "tiny").string();
    return config;
  }

  /// measure() throws it with this exit code and leaves no folder.
  void expect_thrown(const config::RunConfig& config, ExitCode code, const std::string& part) {
    try {
      measure(config);
      ADD_FAILURE() << "nothing thrown; expected: " << part;
    } catch (const Error& error) {
      EXPECT_EQ(error.exit_code(), code);
      EXPECT_THAT(error.what(), HasSubstr(part));
    }
    EXPECT_FALSE(fs::exists(top_));
  }

  comm::World world_ = comm::World::alone();
  std::atomic<bool> stop_ = false;
  const fs::path top_ = testing::TempDir() + format("lckv_bench_checkpoint_{}", getpid());
};

TEST_F(BenchCheckpoint, MeasuresBothKindsOfSaveAndLeavesNothingBehind) {
  const BenchCheckpointResult result = measure(tiny_run());
  EXPECT_EQ(std::ssize(result.step_s), 3 + 2 * kSaves);
  ASSERT_EQ(std::ssize(result.synchronous), kSaves);
  ASSERT_EQ(std::ssize(result.asynchronous), kSaves);
  const int64_t elems = model::make_parameter_table(tiny_run().model).element_count();
  EXPECT_EQ(result.bytes(), 3 * elems * size_bytes(DType::kF32));
  EXPECT_GE(result.snapshot_bytes, result.bytes());  // padding
  EXPECT_GT(result.copy_bytes_per_s(), 0);
  for (const MeasuredSave& save : result.synchronous) {
    EXPECT_EQ(save.step_s.size(), 1u);
    EXPECT_EQ(save.cost.lost_s(), save.written_s + save.cost.waited_s);
    EXPECT_EQ(save.cost.copied_s, 0);
  }
  for (const MeasuredSave& save : result.asynchronous) {
    EXPECT_GE(save.step_s.size(), 1u);
    EXPECT_EQ(save.cost.lost_s(), save.cost.copied_s + save.cost.waited_s);
    EXPECT_GT(save.cost.copied_s, 0);
  }
  EXPECT_FALSE(fs::exists(top_));
}

TEST_F(BenchCheckpoint, EveryTimeIsInTheJson) {
  const BenchCheckpointResult result = measure(tiny_run());
  const Json json = Json::parse(to_json(result));
  EXPECT_EQ(json.at("step_s").get<std::vector<double>>(), result.step_s);
  EXPECT_EQ(json.at("bytes"), result.bytes());
  for (const char* const kind : {"synchronous", "asynchronous"}) {
    const auto& saves = kind[0] == 's' ? result.synchronous : result.asynchronous;
    ASSERT_EQ(json.at(kind).size(), saves.size());
    for (size_t i = 0; i < saves.size(); ++i) {
      EXPECT_EQ(json.at(kind)[i].at("step_s").get<std::vector<double>>(), saves[i].step_s);
      for (const char* const time : {"stopped_s", "written_s", "verify_s", "read_s"}) {
        const double seconds = json.at(kind)[i].at(time);
        EXPECT_TRUE(std::isfinite(seconds) && seconds > 0) << kind << " " << time;
      }
    }
  }
  EXPECT_THAT(to_text(result), HasSubstr("checked         4 states"));
}

TEST(LostPerSave, AddsWhatTheTrainingWaitedForToTheSlowerSteps) {
  BenchCheckpointResult result;
  result.rank_bytes = {1'000'000'000};
  result.copy_bytes = 1 << 26;
  result.copy_s = {0.01};
  result.step_s = {1.0, 7.0, 1.0, 0.9, 1.1};
  for (const double stopped_s : {4.31, 9.0, 4.0}) {
    result.synchronous.push_back({.step = 1,
                                  .cost = {.written_s = stopped_s},
                                  .written_s = stopped_s,
                                  .step_s = {1.0},
                                  .verify_s = 1,
                                  .read_s = 1});
  }
  for (const double step_s : {1.07, 1.0, 3.0}) {
    result.asynchronous.push_back({.step = 2,
                                   .cost = {.copied_s = 0.12},
                                   .written_s = 5,
                                   .step_s = {1.0, step_s, step_s, step_s, 2.0},
                                   .verify_s = 1,
                                   .read_s = 1});
  }
  const LostPerSave lost = lost_per_save(result);
  EXPECT_DOUBLE_EQ(lost.synchronous_s, 4.31);
  EXPECT_DOUBLE_EQ(lost.copied_s, 0.12);
  EXPECT_NEAR(lost.slower_s, 5 * 0.07, 1e-12);
  EXPECT_THAT(
      to_text(result),
      HasSubstr("sync 4.310 s; async 0.120 s copied + 0.000 s waited + 0.350 s slower steps = "
                "0.470 s: 9.2 times less"));

  result.step_s = {1.5};
  EXPECT_THAT(to_text(result), HasSubstr("less than the noise of the steps"));
  result.step_s = {0.1};
  EXPECT_THAT(to_text(result), HasSubstr("1.2 times more"));
}

TEST_F(BenchCheckpoint, AStateWrittenWhileTrainingGoesOnIsThatOfItsStep) {
  for (const int before_the_step : {0, 5}) {
    EXPECT_THAT(test::not_as_saved(world_, tiny_run(), Written::kSnapshot, before_the_step),
                testing::IsEmpty());
  }
}

TEST_F(BenchCheckpoint, AStateOfLiveTensorsIsFoundOut) {
  const auto later = test::not_as_saved(world_, tiny_run(), Written::kLiveTensors, 0);
  const auto torn = test::not_as_saved(world_, tiny_run(), Written::kLiveTensors, 20);
  EXPECT_GT(torn.size(), 0u);
  EXPECT_LT(torn.size(), later.size());
}

TEST_F(BenchCheckpoint, AStateDamagedBehindTheWriterIsFoundOut) {
  const checkpoint::ScopedFileCallHook flip([this](std::string_view call) {
    if (call != "rename") return 0;
    for (const auto& entry : fs::recursive_directory_iterator(top_)) {
      if (entry.path().filename() != "rank-00000.safetensors") continue;
      std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
      file.seekp(-1, std::ios::end);
      file.put('\x55');
    }
    return 0;
  });
  expect_thrown(tiny_run(), ExitCode::kData, "none of the 1 saved states is whole");
}

TEST_F(BenchCheckpoint, AFullDiskBehindTheTrainingEndsIt) {
  const checkpoint::ScopedFileCallHook full(
      [main = std::this_thread::get_id()](std::string_view call) {
        return call == "write" && std::this_thread::get_id() != main ? ENOSPC : 0;
      });
  expect_thrown(tiny_run(), ExitCode::kIo, "No space left on device");
}

TEST_F(BenchCheckpoint, AStopSignalEndsItAndRemovesTheFolder) {
  const checkpoint::ScopedFileCallHook stop([this](std::string_view call) {
    if (call == "write") stop_ = true;
    return 0;
  });
  expect_thrown(tiny_run(), ExitCode::kInterrupted, "stopped");
}

TEST_F(BenchCheckpoint, TrainingThatChangesNothingProvesNothing) {
  config::RunConfig config = tiny_run();
  config.model.initializer_range = 1e30;
  expect_thrown(config, ExitCode::kDiverged, "changed no tensor");
}

TEST_F(BenchCheckpoint, AFolderThatHoldsAnythingIsRefusedAndLeftAlone) {
  const fs::path folder = top_ / "mine";
  fs::create_directories(folder);
  EXPECT_EQ(fs::path(measure(tiny_run(), folder.string()).folder), folder);
  EXPECT_TRUE(fs::is_empty(folder));  // it was there before

  std::ofstream(folder / "thesis.tex") << "years";
  try {
    measure(tiny_run(), folder.string());
    ADD_FAILURE() << "accepted";
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr(folder.string() + ": is not empty"));
  }
  EXPECT_THROW(measure(tiny_run(), (folder / "thesis.tex").string()), DataError);
  EXPECT_EQ(fs::file_size(folder / "thesis.tex"), 5u);
}

TEST_F(BenchCheckpoint, FoldersAboveThatOthersUseMeanwhileStay) {
  const checkpoint::ScopedFileCallHook other_run([this](std::string_view call) {
    if (call == "write") fs::create_directories(top_ / "runs" / "other");
    return 0;
  });
  measure(tiny_run());
  EXPECT_TRUE(fs::exists(top_ / "runs" / "other"));
  EXPECT_FALSE(fs::exists(top_ / "runs" / "tiny"));
}

}  // namespace
}  // namespace lckv::train
