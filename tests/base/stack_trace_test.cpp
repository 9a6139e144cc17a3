#include "lckv/base/stack_trace.h"

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

namespace lckv {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

TEST(StackTrace, TellsWhereEachTracedThreadIs) {
  const TracedThread here("main");
  std::atomic<bool> ready{false}, over{false};
  const auto sleeps = [&] {
    const TracedThread traced("sleeper");
    ready = true;
    while (!over) std::this_thread::sleep_for(std::chrono::milliseconds(300));
  };
  std::thread sleeper(sleeps);
  std::thread untraced([&] {
    while (!over) std::this_thread::yield();
  });
  while (!ready) std::this_thread::yield();
  const std::string stacks = stack_traces();
  over = true;
  EXPECT_THAT(stacks, AllOf(HasSubstr("thread \"main\":\n  "), HasSubstr("thread \"sleeper\":\n  "),
                            HasSubstr("nanosleep"), Not(HasSubstr("does not answer"))));
  EXPECT_EQ(stacks.find("thread", stacks.find("sleeper")), std::string::npos) << stacks;
  sleeper.join();
  untraced.join();
}

TEST(StackTrace, ForgetsAThreadThatHasEnded) {
  std::thread([] { const TracedThread traced("short"); }).join();
  EXPECT_THAT(stack_traces(), Not(HasSubstr("short")));
}

TEST(StackTrace, SaysWhichThreadDoesNotAnswer) {
  std::mutex mutex;
  std::condition_variable changed;
  bool ready = false, over = false;
  std::thread deaf([&] {
    const TracedThread traced("deaf");
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    std::unique_lock lock(mutex);
    ready = true;
    changed.notify_all();
    changed.wait(lock, [&] { return over; });
  });
  {
    std::unique_lock lock(mutex);
    changed.wait(lock, [&] { return ready; });
  }
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_THAT(stack_traces(), HasSubstr("thread \"deaf\":\n  does not answer"));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(1));
  {
    const std::lock_guard lock(mutex);
    over = true;
  }
  changed.notify_all();
  deaf.join();
}

/// The signal must not show in what the thread does: a read from a pipe goes on.
TEST(StackTrace, LetsASystemCallGoOn) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::atomic<bool> ready{false};
  ssize_t got = 0;
  std::thread reader([&] {
    const TracedThread traced("reader");
    char byte = 0;
    ready = true;
    got = read(ends[0], &byte, 1);
  });
  while (!ready) std::this_thread::yield();
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  for (int i = 0; i < 10; ++i) EXPECT_THAT(stack_traces(), HasSubstr("read"));
  EXPECT_EQ(write(ends[1], "x", 1), 1);
  reader.join();
  EXPECT_EQ(got, 1);
  close(ends[0]);
  close(ends[1]);
}

}  // namespace
}  // namespace lckv
