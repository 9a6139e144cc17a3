#include "lckv/checkpoint/retention.h"

#include <gmock/gmock.h>

#include "files_fixture.h"
#include "lckv/checkpoint/file_calls.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// The steps that go of these, once `newest` has been saved.
std::vector<int64_t> going(std::vector<int64_t> steps, int64_t newest, const Retention& retention) {
  std::vector<StateFolder> states;
  for (const int64_t step : steps) states.push_back({step, state_folder_name(step)});
  std::vector<int64_t> gone;
  for (const StateFolder& state : superfluous_states(states, newest, retention)) {
    EXPECT_EQ(state.path, state_folder_name(state.step));
    gone.push_back(state.step);
  }
  return gone;
}

TEST(Retention, KeepsTheNewestOnesAndRemovesTheOldestFirst) {
  EXPECT_THAT(going({1, 2, 3, 4, 5}, 5, {.keep_last = 2, .best_step = {}}), ElementsAre(1, 2, 3));
  EXPECT_THAT(going({5, 3, 1, 4, 2}, 5, {.keep_last = 2, .best_step = {}}), ElementsAre(1, 2, 3));
  EXPECT_THAT(going({1, 2}, 2, {.keep_last = 2, .best_step = {}}), IsEmpty());
  EXPECT_THAT(going({1, 2}, 2, {.keep_last = 7, .best_step = {}}), IsEmpty());
  EXPECT_THAT(going({}, 5, {.keep_last = 1, .best_step = {}}), IsEmpty());
}

TEST(Retention, ZeroKeepsAll) {
  EXPECT_THAT(going({1, 2, 3}, 3, {}), IsEmpty());
  EXPECT_THAT(going({1, 2, 3}, 3, {.keep_last = 0, .keep_every_steps = 2, .best_step = 1}),
              IsEmpty());
}

TEST(Retention, KeepsMilestonesBesides) {
  EXPECT_THAT(going({100, 150, 200, 250, 300, 350}, 350,
                    {.keep_last = 1, .keep_every_steps = 100, .best_step = {}}),
              ElementsAre(150, 250));
  // A milestone among the newest takes one of their places.
  EXPECT_THAT(going({100, 150, 200, 250, 300}, 300,
                    {.keep_last = 2, .keep_every_steps = 100, .best_step = {}}),
              ElementsAre(150));
}

TEST(Retention, KeepsTheBestBesides) {
  EXPECT_THAT(going({1, 2, 3, 4}, 4, {.keep_last = 1, .best_step = 2}), ElementsAre(1, 3));
  EXPECT_THAT(going({1, 2, 3, 4}, 4, {.keep_last = 1, .best_step = 4}), ElementsAre(1, 2, 3));
  EXPECT_THAT(going({1, 2, 3, 4}, 4, {.keep_last = 1, .best_step = 9}), ElementsAre(1, 2, 3));
}

TEST(Retention, StatesAboveTheNewestStayAndPushNothingOut) {
  EXPECT_THAT(going({1, 2, 3, 8, 9}, 3, {.keep_last = 2, .best_step = {}}), ElementsAre(1));
  EXPECT_THAT(going({8, 9}, 3, {.keep_last = 1, .best_step = {}}), IsEmpty());
}

class StateFolders : public FilesTest {
 protected:
  StateFolders() : FilesTest(memory_folder()) {}
  /// A folder with a file in it.
  void make(const std::string& name) {
    std::filesystem::create_directories(folder_ / name);
    put_text(folder_ / name / "manifest.json", "x");
    put_text(folder_ / name / "rank-00000.safetensors", "x");
  }
  std::vector<int64_t> listed() {
    std::vector<int64_t> steps;
    for (const StateFolder& state : list_state_folders(folder_)) steps.push_back(state.step);
    return steps;
  }
};

TEST_F(StateFolders, NamesOfStatesHaveEightDigitsOrMore) {
  EXPECT_EQ(state_folder_name(1000), "step-00001000");
  EXPECT_EQ(state_folder_name(1'234'567'890), "step-1234567890");
  EXPECT_EQ(step_of("step-00001000"), 1000);
  EXPECT_EQ(step_of("step-1234567890"), 1'234'567'890);
  for (const char* const other :
       {"step-1000", "step-0000100", "step-000001000", "step-00001000.tmp", "step-0000100x",
        "step-", "step--0000100", "step-99999999999999999999", "Step-00001000", ""}) {
    EXPECT_EQ(step_of(other), std::nullopt) << other;
  }
}

TEST_F(StateFolders, AreListedNewestFirstAndNothingElseIs) {
  EXPECT_THAT(list_state_folders(folder_ / "none"), IsEmpty());
  for (const char* const name : {"step-00000002", "step-00000010", "step-3", "step-00000004.tmp",
                                 "step-00000005.removed.tmp", "hf"}) {
    make(name);
  }
  put_text(folder_ / "step-00000007", "a file");
  EXPECT_THAT(listed(), ElementsAre(10, 2));
}

TEST_F(StateFolders, RemovalKeepsWhatItDoesNotKnow) {
  for (const char* const name : {"step-00000001", "step-00000002", "step-00000003", "step-1",
                                 "mine", "step-00000001.copy"}) {
    make(name);
  }
  put_text(folder_ / "metrics.jsonl", "");
  remove_superfluous_states(folder_, 3, {.keep_last = 1, .best_step = {}});
  EXPECT_THAT(names_in(folder_), ElementsAre("metrics.jsonl", "mine", "step-00000001.copy",
                                             "step-00000003", "step-1"));
}

TEST_F(StateFolders, AStateThatCannotBeRemovedIsNamedAndIsNoError) {
  for (const char* const name : {"step-00000001", "step-00000002"}) make(name);
  testing::internal::CaptureStderr();
  {
    const ScopedFileCallHook hook(
        [](std::string_view call) { return call == "rmdir" ? ENOTEMPTY : 0; });
    remove_superfluous_states(folder_, 2, {.keep_last = 1, .best_step = {}});
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("step-00000001 stays: "), HasSubstr("step-00000001.removed.tmp"),
                    HasSubstr("Directory not empty")));
  EXPECT_THAT(listed(), ElementsAre(2));  // its name is gone all the same
  testing::internal::CaptureStderr();
  {
    const ScopedFileCallHook hook(
        [](std::string_view call) { return call == "rmdir" ? ENOTEMPTY : 0; });
    remove_unfinished_states(folder_);
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr("step-00000001.removed.tmp"));
  remove_unfinished_states(folder_);
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000002"));
}

TEST_F(StateFolders, AManifestGoesBeforeTheFilesThatItVouchesFor) {
  make("step-00000001");
  for (char letter = 'a'; letter <= 'z'; ++letter) {
    put_text(folder_ / "step-00000001" / std::string(1, letter), "x");
  }
  int unlinked = 0;
  const ScopedFileCallHook hook(
      [&](std::string_view call) { return call == "unlink" && ++unlinked == 2 ? EIO : 0; });
  EXPECT_THROW(remove_tree(folder_ / "step-00000001"), IoError);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "step-00000001" / "manifest.json"));
  EXPECT_EQ(names_in(folder_ / "step-00000001").size(), 27u);
}

TEST_F(StateFolders, AStateWhoseNameAKillTookAwayIsListedAndGetsItBack) {
  make("step-00000002.replaced.tmp");
  make("step-00000003.replaced.tmp");
  make("step-00000003");
  make("step-00000003.tmp");
  EXPECT_THAT(listed(), ElementsAre(3, 2));
  EXPECT_EQ(list_state_folders(folder_)[0].path, folder_ / "step-00000003");
  EXPECT_EQ(list_state_folders(folder_)[1].path, folder_ / "step-00000002.replaced.tmp");
  remove_unfinished_states(folder_);
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000002", "step-00000003"));
}

}  // namespace
}  // namespace lckv::checkpoint
