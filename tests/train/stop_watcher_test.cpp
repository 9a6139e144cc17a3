#include "lckv/train/stop_watcher.h"

#include <chrono>
#include <csignal>
#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/process_age.h"
#include "lckv/base/stop_signal.h"

namespace lckv::train {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr double kNoticed_s = 1;  // the promise to users; a look is due every 50 ms

StopWatcher::Options options(const std::string& phase = "validating", const std::string& who = "") {
  StopWatcher::Options made;
  made.who = who;
  made.phase = [phase] { return phase; };
  return made;
}

/// Seconds until stop(); kNoticed_s when it does not come.
double wait_for(const StopWatcher& watcher) {
  const Stopwatch watch;
  while (!watcher.stop() && watch.elapsed_s() < kNoticed_s) usleep(1000);
  return watch.elapsed_s();
}

/// What a watcher said on stderr while `work` ran.
template <class Work>
std::string said(const Work& work) {
  testing::internal::CaptureStderr();
  work();
  return testing::internal::GetCapturedStderr();
}

TEST(StopWatcher, NoticesWhatIsAskedWithinASecondAndSaysInWhichPhase) {
  std::atomic<bool> asked{false};
  const std::string output = said([&] {
    const StopWatcher watcher(asked, options("validating", "rank 2 (node17)"));
    EXPECT_FALSE(watcher.stop());
    EXPECT_EQ(watcher.reason(), "");
    asked = true;
    EXPECT_LT(wait_for(watcher), kNoticed_s);
    EXPECT_EQ(watcher.reason(), "a request");
  });
  EXPECT_THAT(output, HasSubstr("rank 2 (node17): stop request noticed while validating: "
                                "finishing the micro-batch, then saving\n"));
}

TEST(StopWatcher, HasNoticedWhatWasAskedBeforeItBegan) {
  std::atomic<bool> asked{true};
  said([&] { EXPECT_TRUE(StopWatcher(asked, options()).stop()); });
}

/// In a process of its own, whose flag is set by a signal.
TEST(StopWatcher, NamesTheSignal) {
  const auto work = [] {
    catch_stop_signals();
    std::string reason;
    {
      const StopWatcher watcher(stop_requested(), options("training"));
      raise(SIGUSR1);
      wait_for(watcher);
      reason = watcher.reason();
    }
    _exit(reason == "signal SIGUSR1" ? 0 : 1);
  };
  EXPECT_EXIT(work(), testing::ExitedWithCode(0), "SIGUSR1 noticed while training: finishing");
}

TEST(StopWatcher, NoticesTheTimeLimitSinceTheProgramsStart) {
  std::atomic<bool> asked{false};
  StopWatcher::Options limited = options("saving");
  limited.time_limit_s = process_age_s() + 0.2;
  limited.then = "ending";
  const Stopwatch watch;
  const std::string output = said([&] {
    const StopWatcher watcher(asked, limited);
    EXPECT_FALSE(watcher.stop());
    wait_for(watcher);
    EXPECT_TRUE(watcher.stop());
    EXPECT_GE(watch.elapsed_s(), 0.19);
    EXPECT_THAT(watcher.reason(), testing::MatchesRegex("time limit of [0-9.]+ s"));
  });
  EXPECT_THAT(output,
              AllOf(HasSubstr("time limit of "), HasSubstr(" noticed while saving: ending\n")));
}

TEST(StopWatcher, HasAStopOfAnotherRankAtOnceAndLeavesTheTellingToIt) {
  std::atomic<bool> asked{false};
  const std::string output = said([&] {
    StopWatcher watcher(asked, options());
    watcher.stop_elsewhere(2);
    EXPECT_TRUE(watcher.stop());
    watcher.stop_elsewhere(3);
    asked = true;  // a launcher tells all ranks
    usleep(150000);
    EXPECT_EQ(watcher.reason(), "rank 2 was told to stop");
  });
  EXPECT_EQ(output, "");
}

TEST(StopWatcher, SaysWhatItNoticedOnce) {
  std::atomic<bool> asked{false};
  const std::string output = said([&] {
    StopWatcher watcher(asked, options());
    asked = true;
    wait_for(watcher);
    watcher.stop_elsewhere(1);
    usleep(150000);
    EXPECT_EQ(watcher.reason(), "a request");
  });
  EXPECT_EQ(output.find("noticed"), output.rfind("noticed"));
}

TEST(StopWatcher, EndsAtOnceWhenNothingWasAsked) {
  std::atomic<bool> asked{false};
  const Stopwatch watch;
  for (int i = 0; i < 20; ++i) const StopWatcher watcher(asked, options());
  EXPECT_LT(watch.elapsed_s(), 20 * 0.05);  // no tick is waited for
}

/// 20 looks a second, each a wake-up of 10 to 50 us, are 1e-3 of a core at most; looking every
/// millisecond would be 1e-2 at least.
TEST(StopWatcher, CostsThousandthsOfACore) {
  const auto cpu_s = [] {
    timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  };
  std::atomic<bool> asked{false};
  StopWatcher::Options limited = options();
  limited.time_limit_s = 1e9;
  const StopWatcher watcher(asked, limited);
  usleep(60000);
  const double before = cpu_s();
  usleep(700000);
  EXPECT_LT(cpu_s() - before, 0.7 * 5e-3);
}

}  // namespace
}  // namespace lckv::train
