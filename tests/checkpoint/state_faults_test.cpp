#include <algorithm>
#include <atomic>
#include <csignal>

#include <gmock/gmock.h>
#include <sys/wait.h>

#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/retention.h"
#include "saved_run.h"

// The disk refuses, or the process is killed, at every single call of a save by three ranks. What
// is left must be a run of whole states, the newest of them the old one or the new one.

namespace lckv::checkpoint {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr int kRanks = 3;
constexpr int kAnyRank = -1;

using Content = std::map<std::string, std::string>;

/// A run as it is before a save, and the save.
struct Scenario {
  std::string name;
  std::vector<int64_t> before;  // steps of the states that are there
  int64_t step;                 // that is saved
  bool can_exchange = true;     // whether the file system can exchange two names
  bool nameless = false;        // the state before stands at replaced_path(), as a kill left it
  Retention retention = {};
};

std::ostream& operator<<(std::ostream& out, const Scenario& scenario) {
  return out << scenario.name;
}

/// Every file of a folder.
Content files_of(const std::filesystem::path& folder) {
  Content files;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    files[entry.path().filename().string()] = get_text(entry.path());
  }
  return files;
}

/// At call number `nth` of a rank (or of all together) `act` tells what happens.
struct Fault {
  int rank;
  int nth;
  std::function<int()> act;
};

class Faults : public FilesTest, public testing::WithParamInterface<Scenario> {
 protected:
  Faults() : FilesTest(memory_folder()) {
    for (const int64_t step : scenario_.before) {
      save_on_threads(template_, step, cut_at_random(tensors_of(step), kRanks, 1));
    }
    if (scenario_.nameless) {
      std::filesystem::rename(template_ / "step-00000001",
                              template_ / "step-00000001.replaced.tmp");
      std::filesystem::create_directories(template_ / "step-00000002.tmp");
      put_text(template_ / "step-00000002.tmp" / "rank-00000.safetensors.tmp", "x");
    }
  }

  /// What was saved as this step before.
  static std::vector<Whole> tensors_of(int64_t step) {
    return random_tensors(2, static_cast<uint64_t>(step));
  }
  void start_over() {
    std::filesystem::remove_all(run_);
    if (std::filesystem::exists(template_)) {
      std::filesystem::copy(template_, run_, std::filesystem::copy_options::recursive);
    }
  }

  /// The save, with the fault. Whether it came to that.
  bool save_with(const Fault& fault) {
    std::atomic<int> calls = 0;
    const ScopedFileCallHook hook([&](std::string_view call) {
      const bool counts = fault.rank == kAnyRank || fault.rank == thread_rank;
      if (counts && ++calls == fault.nth) return fault.act();
      return call == "exchange" && !scenario_.can_exchange ? EINVAL : 0;
    });
    try {
      save_on_threads(run_, scenario_.step, new_parts_);
      saved_ = true;
    } catch (const Error& error) {
      saved_ = false;
      EXPECT_EQ(error.exit_code(), ExitCode::kIo) << error.what();
    }
    if (saved_) remove_superfluous_states(run_, scenario_.step, scenario_.retention);
    return calls >= fault.nth;
  }

  /// Every state is whole and holds what was saved; the newest is the old or the new one.
  void check_states() {
    const auto states = list_state_folders(run_);
    bool has_new = false;
    for (const StateFolder& state : states) {
      EXPECT_TRUE(find_damage(state.path).empty()) << to_string(find_damage(state.path).front());
      const Content content = content_of(state.path);
      if (state.step == scenario_.step && content == new_content_) {
        has_new = true;
      } else {
        EXPECT_EQ(content, content_of(tensors_of(state.step))) << state.path;
      }
    }
    if (!has_new) {
      EXPECT_EQ(states.size(), scenario_.before.size())
          << "an old one has gone before the new came";
    }
    const auto latest = find_latest_state(run_);
    EXPECT_EQ(latest.has_value(), has_new || !scenario_.before.empty());
    new_stands_ = has_new;
  }

  /// Whether the folder holds a state that was there before the save, whatever its name.
  bool is_one_of_before(const std::filesystem::path& folder) const {
    if (!std::filesystem::exists(template_)) return false;
    const std::vector<std::string> names = names_in(template_);
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
      return files_of(template_ / name) == files_of(folder);
    });
  }

  /// After an error every state that was there is there to the last byte, be it beside the new one.
  void check_that_nothing_is_lost() const {
    if (!std::filesystem::exists(template_)) return;
    std::vector<Content> standing;
    for (const std::string& name : names_in(run_)) standing.push_back(files_of(run_ / name));
    for (const std::string& name : names_in(template_)) {
      const Content before = files_of(template_ / name);
      if (!before.contains("manifest.json")) continue;
      EXPECT_NE(std::find(standing.begin(), standing.end(), before), standing.end()) << name;
    }
  }

  /// A later save finds a disk in order again and leaves one.
  void check_the_next_save() {
    const int64_t next = scenario_.step + 1;
    save_on_threads(run_, next, new_parts_);
    EXPECT_EQ(find_latest_state(run_), run_ / state_folder_name(next));
    for (const std::string& name : names_in(run_)) EXPECT_THAT(name, Not(HasSubstr("tmp")));
  }

  const Scenario scenario_ = GetParam();
  const std::filesystem::path template_ = folder_ / "template", run_ = folder_ / "run";
  const std::vector<Whole> new_tensors_ = random_tensors(2, 77);
  const std::vector<RankParts> new_parts_ = cut_at_random(new_tensors_, kRanks, 2);
  const Content new_content_ = content_of(new_tensors_);
  bool saved_ = false, new_stands_ = false;
};

TEST_P(Faults, OfTheDiskLeaveTheOldOrTheNewStateAndNoTemporary) {
  int points = 0;
  for (const int error_number : {ENOSPC, EIO}) {
    for (int rank = 0; rank < kRanks; ++rank) {
      for (int nth = 1;; ++nth) {
        SCOPED_TRACE(scenario_.name + " rank " + std::to_string(rank) + " call " +
                     std::to_string(nth));
        ASSERT_LT(nth, 200);
        start_over();
        testing::internal::CaptureStderr();
        const bool met = save_with({rank, nth, [=] { return error_number; }});
        const std::string warnings = testing::internal::GetCapturedStderr();
        check_states();
        EXPECT_TRUE(new_stands_ || !saved_);
        if (!saved_) check_that_nothing_is_lost();
        // A temporary may stay where no error was thrown: what could not be removed is named. And
        // the old state beside the new one, where nobody knows which of them a power cut leaves.
        const bool tidied = warnings.find("stays") == std::string::npos;
        for (const std::string& name : names_in(run_)) {
          const bool is_new = !std::filesystem::exists(template_ / name);
          const bool is_old = !saved_ && new_stands_ && is_one_of_before(run_ / name);
          EXPECT_FALSE(tidied && is_new && !is_old && name.ends_with(".tmp")) << name;
        }
        check_the_next_save();
        if (!met) break;
        EXPECT_NE(saved_, tidied) << "an error that nobody is told of, or one too many";
        ++points;
      }
    }
  }
  std::printf("%s: %d points\n", scenario_.name.c_str(), points);
  EXPECT_GT(points, 70);
}

/// Runs `work` in a process that is killed on the way. False when it came through.
bool dies_in(const std::function<void()>& work) {
  const pid_t child = ::fork();
  if (child == 0) {
    work();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  const bool came_through = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const bool killed = (WIFEXITED(status) && WEXITSTATUS(status) == 86) ||
                      (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
  EXPECT_TRUE(came_through || killed) << status;
  return !came_through;
}

TEST_P(Faults, ThatKillEveryRankLeaveTheOldOrTheNewState) {
  const auto exit = [] {
    ::_exit(86);
    return 0;
  };
  const auto kill = [] {
    ::kill(::getpid(), SIGKILL);
    return 0;
  };
  int points = 0;
  for (const std::function<int()>& act : {std::function<int()>(exit), std::function<int()>(kill)}) {
    for (int nth = 1;; ++nth) {
      SCOPED_TRACE(scenario_.name + " call " + std::to_string(nth));
      ASSERT_LT(nth, 200);
      start_over();
      const bool died = dies_in([&] { save_with({kAnyRank, nth, act}); });
      check_states();
      EXPECT_TRUE(died || new_stands_);
      check_the_next_save();
      if (!died) break;
      ++points;
    }
  }
  std::printf("%s: %d points\n", scenario_.name.c_str(), points);
  EXPECT_GT(points, 70);
}

INSTANTIATE_TEST_SUITE_P(
    , Faults,
    testing::Values(
        Scenario{.name = "IntoAnEmptyRun", .before = {}, .step = 2},
        Scenario{.name = "OverAnOlderState", .before = {1}, .step = 2},
        Scenario{.name = "ReplacingTheOnlyState", .before = {1}, .step = 1},
        Scenario{.name = "ReplacingTheOnlyStateWithoutExchange",
                 .before = {1},
                 .step = 1,
                 .can_exchange = false},
        Scenario{.name = "ReplacingTheNewestWithoutExchange",
                 .before = {1, 2},
                 .step = 2,
                 .can_exchange = false},
        Scenario{.name = "AfterAKillBetweenTwoRenames", .before = {1}, .step = 2, .nameless = true},
        Scenario{.name = "AfterSuchAKillTheSameStep", .before = {1}, .step = 1, .nameless = true},
        Scenario{.name = "RemovingOldOnes",
                 .before = {1, 2, 3},
                 .step = 4,
                 .retention = {.keep_last = 1, .keep_every_steps = 0, .best_step = 2}}),
    [](const auto& test) { return test.param.name; });

}  // namespace
}  // namespace lckv::checkpoint
