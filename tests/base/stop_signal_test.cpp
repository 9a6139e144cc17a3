#include "lckv/base/stop_signal.h"

#include <chrono>
#include <csignal>
#include <thread>

#include <gtest/gtest.h>
#include <pthread.h>
#include <unistd.h>

// Every case runs in a process of its own: the flag is the process's, and is never taken back.

namespace lckv {
namespace {

using testing::ExitedWithCode;
using testing::KilledBySignal;

[[noreturn]] void exit_with(bool right) { _exit(right ? 0 : 1); }

class StopSignal : public testing::TestWithParam<int> {};

TEST_P(StopSignal, SetsTheFlagAndItsNumber) {
  const auto work = [] {
    catch_stop_signals();
    if (stop_requested() || stop_signal() != 0) _exit(2);
    raise(GetParam());
    exit_with(stop_requested() && stop_signal() == GetParam());
  };
  EXPECT_EXIT(work(), ExitedWithCode(0), "");
}

TEST_P(StopSignal, EndsTheProcessWhereItIsNotCaught) {
  EXPECT_EXIT(raise(GetParam()), KilledBySignal(GetParam()), "");
}

TEST_P(StopSignal, ThatCameBeforeTheReleaseEndsTheProcessThen) {
  const auto work = [] {
    catch_stop_signals();
    raise(GetParam());
    if (!stop_requested()) _exit(2);
    release_stop_signals();
    _exit(3);
  };
  EXPECT_EXIT(work(), KilledBySignal(GetParam()), "");
}

TEST_P(StopSignal, EndsTheProcessAfterTheRelease) {
  const auto work = [] {
    catch_stop_signals();
    release_stop_signals();
    raise(GetParam());
    _exit(3);
  };
  EXPECT_EXIT(work(), KilledBySignal(GetParam()), "");
}

/// A shell starts what runs in its background deaf to Ctrl-C.
TEST_P(StopSignal, ThatWasIgnoredIsIgnoredAfterTheRelease) {
  const auto work = [] {
    std::signal(GetParam(), SIG_IGN);
    catch_stop_signals();
    raise(GetParam());
    release_stop_signals();
    raise(GetParam());
    exit_with(stop_requested());
  };
  EXPECT_EXIT(work(), ExitedWithCode(0), "");
}

TEST_P(StopSignal, IsCaughtAgainAfterALibraryReplacedTheHandler) {
  const auto work = [](bool again) {
    catch_stop_signals();
    std::signal(GetParam(), SIG_DFL);
    if (again) catch_stop_signals();
    raise(GetParam());
    if (!stop_requested()) _exit(2);
    release_stop_signals();  // to what was there before the first time
    _exit(3);
  };
  EXPECT_EXIT(work(true), KilledBySignal(GetParam()), "");
  EXPECT_EXIT(work(false), KilledBySignal(GetParam()), "");
}

TEST_P(StopSignal, FromAnotherProcessIsLikeOneThatCameHere) {
  const auto work = [] {
    request_stop(GetParam());
    request_stop(SIGKILL);  // the first one counts
    exit_with(stop_requested() && stop_signal() == GetParam());
  };
  EXPECT_EXIT(work(), ExitedWithCode(0), "");
}

INSTANTIATE_TEST_SUITE_P(Each, StopSignal, testing::Values(SIGINT, SIGTERM, SIGUSR1),
                         [](const auto& each) { return signal_name(each.param); });

TEST(StopSignals, LeaveAReadThatTheyInterruptGoingOn) {
  const auto work = [] {
    catch_stop_signals();
    int ends[2];
    if (pipe(ends) != 0) _exit(2);
    const pthread_t reader = pthread_self();
    std::thread([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      pthread_kill(reader, SIGTERM);
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
      if (write(ends[1], "x", 1) != 1) _exit(3);
    }).detach();
    char byte = 0;
    exit_with(read(ends[0], &byte, 1) == 1 && stop_requested());
  };
  EXPECT_EXIT(work(), ExitedWithCode(0), "");
}

TEST(StopSignals, TwoSigintsAtOnceAreOneCtrlC) {
  const auto work = [] {
    catch_stop_signals();
    raise(SIGINT);
    raise(SIGINT);
    exit_with(stop_requested());
  };
  EXPECT_EXIT(work(), ExitedWithCode(0), "");
}

TEST(StopSignals, ASigintASecondAfterAnyOfThemEndsTheProcess) {
  const auto work = [](int first, int second) {
    catch_stop_signals();
    raise(first);
    std::this_thread::sleep_for(std::chrono::milliseconds(1050));
    raise(second);
    exit_with(stop_requested());
  };
  EXPECT_EXIT(work(SIGTERM, SIGINT), KilledBySignal(SIGINT), "");
  EXPECT_EXIT(work(SIGINT, SIGTERM), ExitedWithCode(0), "");
}

TEST(StopSignals, HaveNames) {
  EXPECT_EQ(signal_name(SIGINT), "SIGINT");
  EXPECT_EQ(signal_name(SIGTERM), "SIGTERM");
  EXPECT_EQ(signal_name(SIGUSR1), "SIGUSR1");
  EXPECT_EQ(signal_name(64), "signal 64");
}

}  // namespace
}  // namespace lckv
