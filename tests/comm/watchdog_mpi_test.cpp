#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <optional>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/watchdog.h"
#include "lckv/mpi_test/world.h"

namespace lckv::comm {
namespace {

using test::world;

/// Half a second is what a rank that is told to stop may take; the rest is for a busy machine.
constexpr double kSoon_s = 1.5;
constexpr double kNever_s = 60;

void sleep_s(double s) { std::this_thread::sleep_for(std::chrono::duration<double>(s)); }

bool is_monitor() { return world().rank() == 0 || world().rank() == world().size() - 1; }

/// What a long computation looks like from outside: no collective, no sleep.
template <class Until>
void compute(double longest_s, const Until& until) {
  const Stopwatch watch;
  volatile double x = 1;
  while (watch.elapsed_s() < longest_s && !until()) {
    for (int i = 0; i < 10000; ++i) x = std::sqrt(x + 1);
  }
}

/// A rank's part in a stop.
struct Ear {
  std::atomic<bool> asked{false};  // here
  std::atomic<int> calls{0};
  std::atomic<int> from{-1};

  WatchdogOptions options(double stall_timeout_s = kNever_s) {
    WatchdogOptions made;
    made.stall_timeout_s = stall_timeout_s;
    made.stop_here = [this] { return asked.load(); };
    made.on_stop_elsewhere = [this](int rank) {
      from = rank;
      ++calls;
    };
    return made;
  }
};

TEST(Watchdog, TellsAllOthersThatOneRankWasToldToStop) {
  for (int stopped = 0; stopped < world().size(); ++stopped) {
    Ear ear;
    const Watchdog watchdog(world(), ear.options());
    world().all().barrier("begin");
    const Stopwatch watch;
    const bool here = world().rank() == stopped;
    ear.asked = here;
    compute(kSoon_s, [&] { return here || ear.calls > 0; });
    const double took_s = watch.elapsed_s();
    EXPECT_EQ(ear.calls, here ? 0 : 1) << "of rank " << stopped << ", after " << took_s << " s";
    EXPECT_EQ(ear.from, here ? -1 : stopped);
    if (!here) std::printf("    rank %d heard after %.2f s\n", world().rank(), took_s);
    sleep_s(0.3);
    EXPECT_EQ(ear.calls, here ? 0 : 1) << "told twice";
    world().all().barrier("end");
  }
}

TEST(Watchdog, TellsOfAStopOnceWhereSeveralRanksAreToldToStop) {
  Ear ear;
  const Watchdog watchdog(world(), ear.options());
  world().all().barrier("begin");
  const bool here = world().rank() < 2;
  ear.asked = here;
  compute(kSoon_s, [&] { return ear.calls > 0; });
  sleep_s(0.3);
  if (here) {
    EXPECT_LE(ear.calls, 1);  // the other may have been faster
  } else {
    EXPECT_EQ(ear.calls, 1);
    EXPECT_LT(ear.from, 2);
  }
  world().all().barrier("end");
}

TEST(Watchdog, TellsOfAStopToARankWhoseWatchBeginsLater) {
  Ear ear;
  ear.asked = world().rank() == 0;
  world().all().barrier("begin");
  if (world().rank() == 1) sleep_s(0.6);
  const Watchdog watchdog(world(), ear.options());
  compute(kSoon_s, [&] { return ear.calls > 0; });
  EXPECT_EQ(ear.calls, world().rank() == 0 ? 0 : 1);
  world().all().barrier("end");
}

TEST(Watchdog, TellsTheHealthOfAllRanksWhileTheyCompute) {
  note_activity(world().rank() % 2 == 0 ? "training" : "saving");
  const Watchdog watchdog(world(), {});
  world().all().barrier("begin");
  const Stopwatch watch;
  const auto works = [] {
    if (world().rank() == 1) note_progress();
    return false;
  };
  compute(1.0, works);
  const std::vector<RankHealth> health = watchdog.health();
  compute(0.4, works);  // who is a little late must not see others go on
  if (!is_monitor()) {
    ASSERT_EQ(health.size(), 1u);
    EXPECT_EQ(health[0].rank, world().rank());
    EXPECT_EQ(health[0].pid, getpid());
  } else {
    ASSERT_EQ(health.size(), static_cast<size_t>(world().size()));
    std::set<int64_t> pids;
    for (int rank = 0; rank < world().size(); ++rank) {
      const RankHealth& other = health[static_cast<size_t>(rank)];
      EXPECT_EQ(other.rank, rank);
      EXPECT_TRUE(other.heard);
      EXPECT_FALSE(other.left);
      EXPECT_LT(other.age_s, 0.9) << rank;
      EXPECT_EQ(other.phase, rank % 2 == 0 ? "training" : "saving");
      EXPECT_EQ(other.host, world().host());
      if (rank == 1) {
        EXPECT_LT(other.idle_s, 0.6);
      } else {
        EXPECT_GT(other.idle_s, 0.7) << rank;  // a record may have lain for a tick or two
        EXPECT_LT(other.idle_s, watch.elapsed_s() + 0.5) << rank;
      }
      pids.insert(other.pid);
    }
    EXPECT_EQ(std::ssize(pids), world().size());
  }
  world().all().barrier("end");
}

TEST(Watchdog, TellsWhoHasLeft) {
  std::optional<Watchdog> watchdog;
  watchdog.emplace(world(), WatchdogOptions{});
  sleep_s(0.4);
  if (world().rank() == 1) watchdog.reset();
  sleep_s(0.6);
  if (watchdog && is_monitor()) {
    for (const RankHealth& rank : watchdog->health()) EXPECT_EQ(rank.left, rank.rank == 1);
  }
  world().all().barrier("end");
}

/// Nobody waits for anybody, whatever lies around from the watches before.
TEST(Watchdog, EndsAtOnceWhateverTheOthersDo) {
  for (int round = 0; round < 12; ++round) {
    std::optional<Watchdog> watchdog;
    watchdog.emplace(world(), Ear().options(0));
    const int turn = (world().rank() + round) % world().size();
    sleep_s(0.05 * turn);
    const Stopwatch watch;
    watchdog.reset();
    EXPECT_LT(watch.elapsed_s(), 0.5) << round;
  }
  world().all().barrier("end");
}

TEST(Watchdog, EndsWhileAnExceptionUnwinds) {
  for (int round = 0; round < 3; ++round) {
    const auto fail = [&] {
      const Watchdog watchdog(world(), {});
      sleep_s(0.15 * world().rank());
      throw IoError("disk full");
    };
    EXPECT_THROW(fail(), IoError);
  }
  // The next one still works.
  world().all().barrier("begin");
  Ear ear;
  const Watchdog watchdog(world(), ear.options());
  ear.asked = world().rank() == world().size() - 1;
  compute(kSoon_s, [&] { return ear.calls > 0; });
  EXPECT_EQ(ear.calls, ear.asked ? 0 : 1);
  world().all().barrier("end");
}

double cpu_s() {
  timespec used{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used);
  return static_cast<double>(used.tv_sec) + 1e-9 * static_cast<double>(used.tv_nsec);
}

TEST(Watchdog, CostsNextToNothing) {
  const Watchdog watchdog(world(), {});
  world().all().barrier("begin");
  const double before_s = cpu_s();
  sleep_s(1);
  const double used_s = cpu_s() - before_s;
  EXPECT_LT(used_s, 0.02);
  std::printf("    rank %d used %.4f s of CPU in a second\n", world().rank(), used_s);
  world().all().barrier("end");
}

TEST(PatientGroup, LeavesTheCoreToOthersWhileItWaits) {
  const auto used_while_rank_zero_is_late = [](Waiting waiting) {
    const auto group = world().split("saving", 0, waiting);
    world().all().barrier("begin");
    if (world().rank() == 0) sleep_s(1);
    const double before_s = cpu_s();
    group->barrier("saved");
    return cpu_s() - before_s;
  };
  const double prompt_s = used_while_rank_zero_is_late(Waiting::kPrompt);
  const double patient_s = used_while_rank_zero_is_late(Waiting::kPatient);
  if (world().rank() != 0) {
    EXPECT_LT(patient_s, 0.02);
    EXPECT_LT(patient_s, prompt_s / 2) << "prompt " << prompt_s;
  }
}

TEST(PatientGroup, GathersWhatAPromptOneDoes) {
  const auto group = world().split("saving", 0, Waiting::kPatient);
  const std::string text(100000, static_cast<char>('a' + world().rank()));
  const std::vector<std::string> texts = gather_texts(*group, text);
  ASSERT_EQ(std::ssize(texts), world().size());
  for (int rank = 0; rank < world().size(); ++rank) {
    EXPECT_EQ(texts[static_cast<size_t>(rank)], std::string(100000, static_cast<char>('a' + rank)));
  }
}

}  // namespace
}  // namespace lckv::comm
