#include "lckv/checkpoint/background_saver.h"

#include <atomic>
#include <chrono>
#include <future>

#include <gmock/gmock.h>

#include "lckv/checkpoint/file_calls.h"
#include "saved_run.h"

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A disk on which nothing is written before it is let go.
class HeldDisk {
 public:
  void let_go() { held_.set_value(); }
  bool was_asked() const { return asked_; }
  const ScopedFileCallHook hook{[this](std::string_view call) {
    if (call == "create") {
      asked_ = true;
      released_.wait();
    }
    return 0;
  }};

 private:
  std::promise<void> held_;
  std::shared_future<void> released_{held_.get_future()};
  std::atomic<bool> asked_ = false;
};

class Saver : public FilesTest {
 protected:
  Saver() : FilesTest(memory_folder()) {
    for (const Whole& tensor : tensors_) {
      shards_.push_back(whole_shard(tensor.name, tensor.data.view()));
    }
  }
  SaveJob job(int64_t step, std::function<void()> after = {}) {
    return {folder_, step, shards_, "{}", std::move(after)};
  }
  static std::unique_ptr<comm::Communicator> alone() { return comm::make_alone("save"); }

  const std::vector<Whole> tensors_ = random_tensors(3, 1);
  std::vector<Shard> shards_;
};

TEST_F(Saver, SavesBesideItsCaller) {
  HeldDisk disk;
  BackgroundSaver saver(alone());
  EXPECT_FALSE(saver.busy());
  saver.start(job(1));
  while (!disk.was_asked()) std::this_thread::yield();  // the job has begun; this thread goes on
  EXPECT_TRUE(saver.busy());
  EXPECT_EQ(find_latest_state(folder_), std::nullopt);
  EXPECT_FALSE(saver.take_done());
  disk.let_go();
  saver.wait();
  EXPECT_FALSE(saver.busy());
  EXPECT_EQ(find_latest_state(folder_), folder_ / "step-00000001");
  EXPECT_EQ(content_of(folder_ / "step-00000001"), content_of(tensors_));
  const auto done = saver.take_done();
  ASSERT_TRUE(done);
  EXPECT_EQ(done->step, 1);
  EXPECT_GT(done->written_s, 0);
  EXPECT_FALSE(saver.take_done());
}

TEST_F(Saver, HandsItsErrorOverInWaitAndGoesOnAfterwards) {
  BackgroundSaver saver(alone());
  {
    const ScopedFileCallHook hook(
        [](std::string_view call) { return call == "fsync" ? ENOSPC : 0; });
    saver.start(job(1));
    while (saver.busy()) std::this_thread::yield();
    EXPECT_TRUE(saver.failed());
    EXPECT_THAT(message_of<IoError>([&] { saver.wait(); }), HasSubstr("No space left on device"));
  }
  EXPECT_FALSE(saver.failed());
  EXPECT_FALSE(saver.take_done());
  saver.wait();  // thrown once
  saver.start(job(2));
  saver.wait();
  EXPECT_EQ(saver.take_done()->step, 2);
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000002"));
}

TEST_F(Saver, RefusesAJobWhileAnotherRunsOrItsErrorIsUnheard) {
  HeldDisk disk;
  BackgroundSaver saver(alone());
  saver.start(job(1));
  EXPECT_THROW(saver.start(job(2)), InternalError);
  disk.let_go();
  saver.wait();
  saver.start({folder_, 3, shards_, "no object", {}});
  while (saver.busy()) std::this_thread::yield();
  EXPECT_THROW(saver.start(job(4)), InternalError);
  EXPECT_THROW(saver.wait(), DataError);
}

TEST_F(Saver, FinishesTheJobAtHandWhenItGoes) {
  HeldDisk disk;
  std::thread other;
  {
    BackgroundSaver saver(alone());
    saver.start(job(1));
    other = std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      disk.let_go();
    });
  }
  EXPECT_EQ(find_latest_state(folder_), folder_ / "step-00000001");
  other.join();
}

TEST_F(Saver, AJobThatNobodyHasLookedAtIsCarriedOutToo) {
  BackgroundSaver(alone()).start(job(1));
  EXPECT_EQ(find_latest_state(folder_), folder_ / "step-00000001");
}

TEST_F(Saver, CarriesJobsOutInTheirOrderEachWithWhatFollowsIt) {
  std::vector<std::string> seen;
  BackgroundSaver saver(alone());
  for (const int64_t step : {2, 1, 3}) {
    saver.start(job(step, [&, step] {
      seen.push_back(std::to_string(step) + ":" + std::to_string(names_in(folder_).size()));
    }));
    saver.wait();
    EXPECT_EQ(saver.take_done()->step, step);
  }
  EXPECT_THAT(seen, ElementsAre("2:1", "1:2", "3:3"));
}

/// A save takes less time than the steps between two looks.
TEST_F(Saver, TellsOfEveryStateAlthoughNobodyAskedInBetween) {
  HeldDisk disk;
  BackgroundSaver saver(alone());
  saver.start(job(1));
  while (!disk.was_asked()) std::this_thread::yield();
  EXPECT_FALSE(saver.take_done());  // the last look for long
  disk.let_go();
  saver.wait();
  saver.start(job(2));
  saver.wait();
  std::vector<int64_t> told;
  while (const auto done = saver.take_done()) told.push_back(done->step);
  EXPECT_THAT(told, ElementsAre(1, 2));
}

TEST_F(Saver, HoldsNothingOfAJobThatHasEnded) {
  BackgroundSaver saver(alone());
  const auto held = std::make_shared<int>(1);
  saver.start(job(1, [held] {}));
  saver.wait();
  EXPECT_EQ(held.use_count(), 1);
}

TEST_F(Saver, AnErrorAfterTheStateStandsIsToldAndTheStateToo) {
  BackgroundSaver saver(alone());
  saver.start(job(1, [] { throw IoError("afterwards"); }));
  EXPECT_EQ(message_of<IoError>([&] { saver.wait(); }), "afterwards");
  EXPECT_EQ(saver.take_done()->step, 1);
  EXPECT_EQ(find_latest_state(folder_), folder_ / "step-00000001");
}

TEST_F(Saver, AFailureOfOneRankIsThrownOnAll) {
  const auto parts = cut_at_random(tensors_, 3, 5);
  for (int failing = 0; failing < 3; ++failing) {
    std::atomic<int> failures = 0;
    ThreadGroup group(3);
    std::vector<std::thread> ranks;
    std::atomic<int> creations = 0;
    const ScopedFileCallHook hook([&](std::string_view call) {
      return call == "create" && creations++ == failing ? EIO : 0;
    });
    for (int rank = 0; rank < 3; ++rank) {
      ranks.emplace_back([&, rank] {
        BackgroundSaver saver(std::make_unique<ThreadCommunicator>(group, rank));
        saver.start({folder_, 1, parts[static_cast<size_t>(rank)].shards(), "{}", {}});
        const std::string message = message_of([&] { saver.wait(); });
        failures += message.find("Input/output error") != std::string::npos ? 1 : 0;
      });
    }
    for (std::thread& rank : ranks) rank.join();
    EXPECT_EQ(failures, 3);
    EXPECT_TRUE(names_in(folder_).empty());
  }
}

}  // namespace
}  // namespace lckv::checkpoint
