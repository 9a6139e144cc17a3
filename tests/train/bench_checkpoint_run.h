#pragma once

#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <unistd.h>

#include "lckv/base/text.h"
#include "lckv/checkpoint/background_saver.h"
#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/state_folders.h"
#include "lckv/comm/agreement.h"
#include "lckv/train/bench_run.h"
#include "lckv/train/state_read_back.h"

namespace lckv::test {

/// LCKV of milliseconds, which up to 8 ranks can share in any way.
inline config::RunConfig tiny_saving_run(int64_t tensor = 1) {
  config::RunConfig run;
  run.model.hidden_size = 32;
  run.model.intermediate_size = 48;
  run.model.num_hidden_layers = 4;
  run.model.num_attention_heads = 8;
  run.model.num_key_value_heads = 4;
  run.model.vocab_size = 260;
  run.model.layer_types = "0_2_2_3";
  run.model.forward_passes = 1;
  run.data.sequence_tokens = 16;
  run.train.steps = 1;
  run.train.sequences_per_step = 8;
  run.train.micro_batch_sequences = 0;
  run.train.precision = config::Precision::kFp32;
  run.train.threads = 1;
  run.parallel.tensor = tensor;
  run.parallel.oversubscribe = true;
  return run;
}

/// A folder that does not exist, the same on all ranks.
inline std::filesystem::path folder_for(comm::World& world, const std::string& name) {
  const std::string own = testing::TempDir() + format("lckv_{}_{}", name, getpid());
  return comm::gather_texts(world.all(), own).front();
}

/// Stops who writes files of a state before a write, until release(). Gives up waiting after half a
/// minute, so that a failed test ends.
class HeldWrites {
 public:
  /// `let_through`: writes that happen before.
  explicit HeldWrites(int let_through)
      : left_(let_through), hook_([this](std::string_view call) {
          if (call == "write" && left_-- == 0) {
            reached_ = true;
            wait_for(released_);
          }
          return 0;
        }) {}

  void wait_until_reached() const { EXPECT_TRUE(wait_for(reached_)); }
  void release() { released_ = true; }

 private:
  static bool wait_for(const std::atomic<bool>& flag) {
    for (int ms = 0; ms < 30'000 && !flag; ++ms) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return flag;
  }

  std::atomic<int> left_;
  std::atomic<bool> reached_ = false, released_ = false;
  checkpoint::ScopedFileCallHook hook_;
};

/// What a background save is given to write.
enum class Written { kSnapshot, kLiveTensors };

/// Saves in the background and trains a step after this rank's first `before_the_step` writes, then
/// fills the trainer from the state: tensors of this rank that are not those of the moment of the
/// save. Collective.
inline std::vector<std::string> not_as_saved(comm::World& world, const config::RunConfig& config,
                                             Written written, int before_the_step) {
  const std::filesystem::path folder = folder_for(world, "not_as_saved");
  train::BenchRun run(world, config);
  run.steps(2);
  const train::ShardHashes at_save(shards_to_load(run.trainer()));
  run.snapshot()->take(run.stream(), run.trainer());
  checkpoint::BackgroundSaver saver(world.split("save", 0));
  {
    HeldWrites held(before_the_step);
    saver.start(
        {folder,
         run.updates(),
         written == Written::kSnapshot ? run.snapshot()->shards() : shards_to_save(run.trainer()),
         "{}",
         {}});
    held.wait_until_reached();
    run.step();
    EXPECT_FALSE(at_save.differing(shards_to_load(run.trainer())).empty());
    held.release();
    saver.wait();
  }
  train::read_state(folder / checkpoint::state_folder_name(2), run.trainer(), run.stream());
  world.all().barrier("read");
  if (world.rank() == 0) std::filesystem::remove_all(folder);
  return at_save.differing(shards_to_load(run.trainer()));
}

}  // namespace lckv::test
