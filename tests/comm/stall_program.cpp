#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/comm/watchdog.h"

// A world in which something goes wrong, for mpirun_test.cpp:
//   stall_program WHAT RANK FOLDER [stall_timeout_s]
// Each rank writes its process id to FOLDER/pid-<rank>; `RANK` does what WHAT says.

namespace lckv::comm {
namespace {

using Sleep = std::chrono::duration<double>;

constexpr double kForever_s = 60;  // longer than any test waits
constexpr int64_t kCount = 1 << 20;

struct Scene {
  World& world;
  int culprit;
  std::string folder;
  WatchdogOptions options;
  Stream stream{};
  std::vector<float> data = std::vector<float>(kCount);

  bool here() const { return world.rank() == culprit; }
  View x() { return {data.data(), DType::kF32, {kCount}}; }
  void reduce(Communicator& group, const char* label = "gradients") {
    group.all_reduce(stream, x(), ReduceOp::kSum, label);
  }
  /// A while in which all is well.
  void run_well(Communicator& group) {
    for (int i = 0; i < 20; ++i) reduce(group);
  }
};

void sleep_s(double s) { std::this_thread::sleep_for(Sleep(s)); }

[[noreturn]] void hang() {
  note_activity("hanging");
  sleep_s(kForever_s);
  std::_Exit(99);
}

void stops(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) std::raise(SIGSTOP);
  scene.reduce(*dp);
}

void never_comes(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) hang();
  scene.reduce(*dp);
}

/// Others wait for what they started, in the thread that carries it out.
void never_starts(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) hang();
  dp->start_all_reduce(scene.stream, scene.x(), ReduceOp::kSum, "gradients").finish();
}

void calls_another(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) {
    dp->broadcast(scene.stream, scene.x(), (scene.world.rank() + 1) % scene.world.size(),
                  "weights");
  } else {
    scene.reduce(*dp);
  }
}

/// A grid of pairs: the partner of RANK waits for it in tp, others for that one in dp.
void holds_up_a_chain(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto tp = scene.world.split("tp", scene.world.rank() / 2);
  const auto dp = scene.world.split("dp", scene.world.rank() % 2);
  scene.run_well(*tp);
  scene.run_well(*dp);
  if (scene.here()) hang();
  if (scene.world.rank() / 2 == scene.culprit / 2) scene.reduce(*tp, "tp attention out");
  scene.reduce(*dp);
}

/// Longer than the time-out, but it gets on.
void is_late(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) {
    const ActivityScope activity("reading the saved state");
    for (double read_s = 0; read_s < 2 * scene.options.stall_timeout_s; read_s += 0.1) {
      sleep_s(0.1);
      note_progress();
    }
  }
  scene.reduce(*dp);
}

/// The whole job is stopped from outside and goes on.
void is_suspended(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.world.split("dp", 0);
  scene.run_well(*dp);
  std::ofstream(scene.folder + "/ready-" + std::to_string(scene.world.rank())) << "ready";
  for (int i = 0; i < 30 && scene.here(); ++i) sleep_s(0.1);  // goes on where it was stopped
  scene.reduce(*dp);
}

/// Watches end one after the other, by exceptions on RANK and those behind it.
void leave_in_turn(Scene& scene) {
  for (int round = 0; round < 3; ++round) {
    try {
      const Watchdog watchdog(scene.world, scene.options);
      const auto dp = scene.world.split("dp", 0);
      scene.run_well(*dp);
      sleep_s(0.4 * ((scene.world.rank() + round) % scene.world.size()));
      if (scene.world.rank() >= scene.culprit) throw IoError("disk full");
    } catch (const IoError&) {
    }
  }
}

/// Every rank fails, with its world unwinding, at another time.
void fail_in_turn(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  sleep_s(0.2 + 0.1 * scene.world.rank());
  throw IoError("disk full");
}

const std::map<std::string, std::function<void(Scene&)>> kScenes = {
    {"stops", stops},
    {"never_comes", never_comes},
    {"never_starts", never_starts},
    {"calls_another", calls_another},
    {"holds_up_a_chain", holds_up_a_chain},
    {"is_late", is_late},
    {"is_suspended", is_suspended},
    {"leave_in_turn", leave_in_turn},
    {"fail_in_turn", fail_in_turn},
};

void run(const std::string& what, int rank, const std::string& folder, double timeout_s) {
  World world = World::join();
  std::ofstream(folder + "/pid-" + std::to_string(world.rank())) << getpid();
  Scene scene{.world = world, .culprit = rank, .folder = folder, .options = {}};
  scene.options.stall_timeout_s = timeout_s;
  scene.options.stacks_folder = folder;
  scene.options.on_stall = [&](const std::string& message) {
    std::ofstream(folder + "/told-" + std::to_string(world.rank())) << message;
  };
  kScenes.at(what)(scene);
  if (world.rank() == 0) std::puts("done");
}

}  // namespace
}  // namespace lckv::comm

int main(int argc, char** argv) {
  if (argc < 4) return 2;
  try {
    lckv::comm::run(argv[1], std::atoi(argv[2]), argv[3], argc > 4 ? std::atof(argv[4]) : 3);
  } catch (const lckv::Error& error) {
    return static_cast<int>(error.exit_code());
  }
  return 0;
}
