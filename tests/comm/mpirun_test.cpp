#include <array>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

// The watchdog where ranks really stop, hang or go astray: stall_program under mpirun.

namespace lckv::comm {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

constexpr int kRanks = 4;
constexpr double kTimeout_s = 3;
// Beyond the time-out: a tick, a record's way, 1.5 s for stacks of a rank that cannot write any,
// and mpirun, which kills a second after it has asked. The rest is for a busy machine.
constexpr double kUntilAllAreGone_s = 8;

struct Outcome {
  int exit_code = -1;
  std::string output;  // stdout and stderr
  double took_s = 0;
};

Outcome run(const std::string& command) {
  const auto started = std::chrono::steady_clock::now();
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  Outcome outcome;
  std::array<char, 4096> buffer;
  while (const size_t count = fread(buffer.data(), 1, buffer.size(), pipe)) {
    outcome.output.append(buffer.data(), count);
  }
  const int status = pclose(pipe);
  outcome.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  outcome.took_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  return outcome;
}

std::string content(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Stall : public testing::Test {
 protected:
  Stall()
      : folder_(std::filesystem::path(testing::TempDir()) /
                (std::string("lckv_stall_") +
                 testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~Stall() override {
    for (int rank = 0; rank < kRanks; ++rank) {
      if (lives(rank)) kill(pid(rank), SIGKILL);
    }
  }

  Outcome play(const std::string& what, int rank, double timeout_s = kTimeout_s) const {
    return run("OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 timeout 50 mpirun -n " +
               std::to_string(kRanks) +
               " --oversubscribe --bind-to none --mca btl self,vader " LCKV_STALL_PROGRAM " " +
               what + " " + std::to_string(rank) + " " + folder_.string() + " " +
               std::to_string(timeout_s));
  }

  pid_t pid(int rank) const {
    const std::string text = content(folder_ / ("pid-" + std::to_string(rank)));
    return text.empty() ? 0 : static_cast<pid_t>(std::stoi(text));
  }
  /// A dead one that nobody has waited for yet lives no more.
  bool lives(int rank) const {
    if (pid(rank) == 0) return false;
    const std::string state = content("/proc/" + std::to_string(pid(rank)) + "/stat");
    return !state.empty() && state.find(") Z ") == std::string::npos;
  }
  /// mpirun does not wait until those that it kills are gone.
  bool stays(int rank) const {
    for (int i = 0; i < 200 && lives(rank); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return lives(rank);
  }
  std::string stacks(int rank) const {
    return content(folder_ / ("stacks-rank-0000" + std::to_string(rank) + ".txt"));
  }

  /// All ended in time, with the code of a failed communication, and nobody is left.
  void expect_end(const Outcome& outcome) const {
    EXPECT_EQ(outcome.exit_code, 7) << outcome.output;
    EXPECT_GT(outcome.took_s, kTimeout_s);
    EXPECT_LT(outcome.took_s, kTimeout_s + kUntilAllAreGone_s);
    for (int rank = 0; rank < kRanks; ++rank) EXPECT_FALSE(stays(rank)) << rank;
    std::printf("    ended after %.1f s of which %.0f s are the time-out\n", outcome.took_s,
                kTimeout_s);
  }
  /// Rank `speaker` alone spoke, and had told its program before.
  void expect_told_by(int speaker) const {
    for (int rank = 0; rank < kRanks; ++rank) {
      const std::string told = content(folder_ / ("told-" + std::to_string(rank)));
      EXPECT_EQ(told.starts_with("stalled: "), rank == speaker) << rank << ": " << told;
    }
  }

  std::filesystem::path folder_;
};

/// The line of the watchdog.
std::string message(const Outcome& outcome) {
  const size_t begin = outcome.output.find("lckv: stalled: ");
  if (begin == std::string::npos) return "no report in: " + outcome.output;
  return outcome.output.substr(begin, outcome.output.find_first_of("\r\n", begin) - begin);
}

std::string silent(int rank) {
  return "lckv: stalled: rank " + std::to_string(rank) +
         " \\(.+, pid [0-9]+\\) does not answer since [0-9.]+ s: stopped, or its machine is gone; "
         "it was starting; ";
}
constexpr auto kWait = "in dp: all_reduce \"gradients\", 4.00 MiB, call 20, for [34].[0-9] s";

TEST_F(Stall, OfTheFirstRankThatIsStoppedIsToldByTheLast) {
  const Outcome outcome = play("stops", 0);
  expect_end(outcome);
  expect_told_by(3);
  EXPECT_THAT(message(outcome), MatchesRegex(silent(0) + "ranks 1-3 wait for it " + kWait));
}

TEST_F(Stall, OfARankThatIsStoppedIsToldByTheFirst) {
  const Outcome outcome = play("stops", 2);
  expect_end(outcome);
  expect_told_by(0);
  EXPECT_THAT(message(outcome), MatchesRegex(silent(2) + "ranks 0, 1, 3 wait for it " + kWait));
  EXPECT_EQ(stacks(2), "");
  for (const int rank : {0, 1, 3}) {
    EXPECT_THAT(stacks(rank),
                AllOf(HasSubstr("all_reduce \"gradients\", call 20, 4194304 B, under"),
                      HasSubstr("thread \"main\":"), HasSubstr("MpiTransport::wait")));
  }
}

TEST_F(Stall, OfTheLastRankThatIsStoppedIsToldByTheFirst) {
  const Outcome outcome = play("stops", 3);
  expect_end(outcome);
  expect_told_by(0);
  EXPECT_THAT(message(outcome), MatchesRegex(silent(3) + "ranks 0-2 wait for it " + kWait));
}

TEST_F(Stall, NamesARankThatNeverComesWithWhatItDoesInstead) {
  const Outcome outcome = play("never_comes", 1);
  expect_end(outcome);
  EXPECT_THAT(message(outcome),
              MatchesRegex("lckv: stalled: rank 1 \\(.+, pid [0-9]+\\) has not begun it: hanging, "
                           "without progress for [34].[0-9] s; ranks 0, 2, 3 wait for it " +
                           std::string(kWait)));
  EXPECT_THAT(stacks(1), AllOf(HasSubstr("hanging"), HasSubstr("nanosleep")));
}

TEST_F(Stall, NamesARankThatNeverStartsWhatOthersHaveStarted) {
  const Outcome outcome = play("never_starts", 1);
  expect_end(outcome);
  EXPECT_THAT(message(outcome),
              AllOf(HasSubstr("rank 1 ("), HasSubstr("has not begun it: hanging"),
                    HasSubstr("ranks 0, 2, 3 wait for it in dp (started): all_reduce")));
  EXPECT_THAT(stacks(0), HasSubstr("thread \"dp started\":"));
}

TEST_F(Stall, NamesBothSidesOfDifferentCollectives) {
  const Outcome outcome = play("calls_another", 2);
  expect_end(outcome);
  EXPECT_THAT(
      message(outcome),
      MatchesRegex("lckv: stalled: different collectives in dp, call 20, for [34].[0-9] s: rank 2 "
                   "\\(.+, pid [0-9]+\\) in broadcast \"weights\", 4.00 MiB; ranks 0, 1, 3 in "
                   "all_reduce \"gradients\", 4.00 MiB"));
}

/// MPI tells lengths.
TEST_F(Stall, IsNotAwaitedWhereSizesDiffer) {
  const Outcome outcome = play("sums_less", 1);
  EXPECT_EQ(outcome.exit_code, 7) << outcome.output;
  EXPECT_LT(outcome.took_s, kTimeout_s + kUntilAllAreGone_s);
  EXPECT_THAT(outcome.output,
              HasSubstr("rank 1 of the group sent 524288 bytes where this rank expects 1048576"));
}

TEST_F(Stall, IsNotAwaitedWhereARankDies) {
  const Outcome outcome = play("dies", 1);
  EXPECT_EQ(outcome.exit_code, 137) << outcome.output;
  EXPECT_LT(outcome.took_s, kTimeout_s + kUntilAllAreGone_s);
  EXPECT_THAT(outcome.output, HasSubstr("process rank 1"));
  for (int rank = 0; rank < kRanks; ++rank) EXPECT_FALSE(stays(rank)) << rank;
}

TEST_F(Stall, IsNotAwaitedWhereARankFails) {
  const Outcome outcome = play("fails", 1);
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_LT(outcome.took_s, kTimeout_s + kUntilAllAreGone_s);
  EXPECT_THAT(outcome.output, HasSubstr("disk full"));
  for (int rank = 0; rank < kRanks; ++rank) EXPECT_FALSE(stays(rank)) << rank;
}

TEST_F(Stall, FollowsAChainOfGroupsToItsEnd) {
  const Outcome outcome = play("holds_up_a_chain", 3);
  expect_end(outcome);
  EXPECT_THAT(message(outcome),
              AllOf(HasSubstr("stalled: rank 3 ("), HasSubstr("has not begun it: hanging"),
                    HasSubstr("rank 2 waits for it in tp: all_reduce \"tp attention out\""),
                    HasSubstr("rank 0 waits for rank 2 in dp"), Not(HasSubstr("rank 2 ("))));
}

TEST_F(Stall, IsNotSeenInARankThatIsLateButGetsOn) {
  const Outcome outcome = play("is_late", 1, 1.5);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_GT(outcome.took_s, 3) << "it was not late";
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("done"), Not(HasSubstr("stalled"))));
}

TEST_F(Stall, IsNotSeenInAJobThatWasSuspended) {
  std::future<Outcome> played =
      std::async(std::launch::async, [&] { return play("is_suspended", 1, 4); });
  const auto all_ready = [&] {
    for (int rank = 0; rank < kRanks; ++rank) {
      if (!std::filesystem::exists(folder_ / ("ready-" + std::to_string(rank)))) return false;
    }
    return true;
  };
  for (int i = 0; i < 200 && !all_ready(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  ASSERT_TRUE(all_ready());
  std::this_thread::sleep_for(std::chrono::milliseconds(500));  // ranks are in the collective
  for (int rank = 0; rank < kRanks; ++rank) kill(pid(rank), SIGSTOP);
  std::this_thread::sleep_for(std::chrono::seconds(6));  // longer than the time-out
  for (int rank = 0; rank < kRanks; ++rank) kill(pid(rank), SIGCONT);
  const Outcome outcome = played.get();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("done"), Not(HasSubstr("stalled"))));
}

TEST_F(Stall, IsNotSeenWhereRanksLeaveAtDifferentTimes) {
  const Outcome outcome = play("leave_in_turn", 2);
  EXPECT_EQ(outcome.exit_code, 0) << outcome.output;
  EXPECT_LT(outcome.took_s, 3 * 1.2 + 3);
  EXPECT_THAT(outcome.output, AllOf(HasSubstr("done"), Not(HasSubstr("stalled"))));
}

/// Nobody waits for the others' messages while an exception ends the program.
TEST_F(Stall, IsNotSeenWhereAllRanksFailOneAfterTheOther) {
  const Outcome outcome = play("fail_in_turn", 0);
  EXPECT_EQ(outcome.exit_code, 5) << outcome.output;
  EXPECT_LT(outcome.took_s, 5);
}

}  // namespace
}  // namespace lckv::comm
