#include <gmock/gmock.h>

#include "lckv/checkpoint/background_saver.h"
#include "lckv/checkpoint/file_calls.h"
#include "saved_run.h"
#include "shared_folder.h"

// The disk of one rank refuses, at every call of its save: every rank is told, nothing stays, and
// the older state is found.

namespace lckv::checkpoint {
namespace {

using testing::HasSubstr;

/// "" when the work is done on every rank; else what it threw, which must be the same on all.
std::string agreed_outcome(comm::Communicator& group, const std::function<void()>& work) {
  std::string outcome;
  try {
    work();
  } catch (const comm::AgreedError& error) {
    outcome = error.what();
    EXPECT_EQ(error.exit_code(), ExitCode::kIo) << outcome;
  }
  for (const std::string& other : comm::gather_texts(group, outcome)) EXPECT_EQ(other, outcome);
  return outcome;
}

class SaveFaults : public SharedFilesTest {
 protected:
  SaveFaults() { save_state(group(), folder_, 1, old_.shards(), "{}"); }

  /// Fails the `nth` call of rank `failing`; counts the calls of this rank.
  FileCallHook hook(int failing, int nth, int error_number) {
    calls_ = 0;
    return [=, this](std::string_view) {
      return ++calls_ == nth && rank() == failing ? error_number : 0;
    };
  }
  /// Whether rank `failing` made so many calls.
  bool met(int failing, int nth) {
    return comm::any_rank(group(), rank() == failing && calls_ >= nth, "met");
  }
  /// The states that are there are whole and hold what they must.
  void check_states(bool saved) {
    meet();
    testing::internal::CaptureStderr();
    const auto latest = find_latest_state(group(), folder_);
    EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
    const bool has_new = latest == folder_ / "step-00000002";
    EXPECT_TRUE(has_new || latest == folder_ / "step-00000001");
    EXPECT_TRUE(has_new || !saved);
    if (latest) {
      EXPECT_EQ(content_of(*latest), has_new ? content_of(new_tensors_) : content_of(old_tensors_));
    }
    const std::vector<std::string> names = names_in(folder_);
    EXPECT_EQ(names.size(), has_new ? 2u : 1u) << testing::PrintToString(names);
    meet();
    if (rank() == 0) std::filesystem::remove_all(folder_ / "step-00000002");
    meet();
  }
  static std::vector<std::string> names_in(const std::filesystem::path& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      names.push_back(entry.path().filename().string());
    }
    return names;
  }
  RankParts own_part(const std::vector<Whole>& tensors, uint64_t seed) {
    return std::move(cut_at_random(tensors, ranks(), seed)[static_cast<size_t>(rank())]);
  }

  const std::vector<Whole> old_tensors_ = random_tensors(3, 1), new_tensors_ = random_tensors(3, 2);
  const RankParts old_ = own_part(old_tensors_, 1), new_ = own_part(new_tensors_, 2);
  int calls_ = 0;
};

TEST_F(SaveFaults, OfAnyRankAreThrownOnAllAndTheOlderStateIsFound) {
  int points = 0;
  for (const int error_number : {ENOSPC, EIO}) {
    for (int failing = 0; failing < ranks(); ++failing) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE("rank " + std::to_string(failing) + " call " + std::to_string(nth));
        std::string outcome;
        {
          const ScopedFileCallHook faulty(hook(failing, nth, error_number));
          outcome = agreed_outcome(group(),
                                   [&] { save_state(group(), folder_, 2, new_.shards(), "{}"); });
        }
        const bool happened = met(failing, nth);
        EXPECT_EQ(outcome.empty(), !happened);
        if (happened) {
          EXPECT_THAT(outcome, HasSubstr("rank " + std::to_string(failing) + ": "));
        }
        check_states(outcome.empty());
        if (!happened || nth > 100) break;
        ++points;
      }
    }
  }
  if (rank() == 0) std::printf("%d ranks: %d points\n", ranks(), points);
  EXPECT_GT(points, 2 * (20 + 7 * (ranks() - 1)));
}

TEST_F(SaveFaults, InTheBackgroundAreThrownOnAllInWait) {
  BackgroundSaver saver(test::world().split("save", 0));
  const auto job = [&](std::function<void()> after) {
    return SaveJob{folder_, 2, new_.shards(), "{}", std::move(after)};
  };
  for (int failing = 0; failing < ranks(); ++failing) {
    {
      const ScopedFileCallHook faulty(hook(failing, 4, ENOSPC));
      saver.start(job({}));
      const std::string outcome = agreed_outcome(group(), [&] { saver.wait(); });
      EXPECT_THAT(outcome, HasSubstr("rank " + std::to_string(failing) + ": "));
      EXPECT_THAT(outcome, HasSubstr("No space left on device"));
      EXPECT_FALSE(saver.take_done());
      EXPECT_FALSE(saver.failed());
    }
    check_states(false);
  }
  bool followed = false;
  saver.start(job([&] { followed = true; }));
  // Training goes on meanwhile: collectives of another group.
  EXPECT_EQ(comm::gather_texts(group(), std::to_string(rank())).back(),
            std::to_string(ranks() - 1));
  EXPECT_EQ(agreed_outcome(group(), [&] { saver.wait(); }), "");
  EXPECT_EQ(followed, rank() == 0);
  EXPECT_EQ(saver.take_done()->step, 2);
  check_states(true);

  saver.start(job([] { throw IoError("the removal failed"); }));
  EXPECT_EQ(agreed_outcome(group(), [&] { saver.wait(); }), "rank 0: the removal failed");
  check_states(true);
}

}  // namespace
}  // namespace lckv::checkpoint
