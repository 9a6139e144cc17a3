#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/comm/watchdog.h"
#include "lckv/tensor/buffer.h"
#include "lckv/tensor/cuda_runtime.h"

// A world in which something goes wrong, for mpirun_test.cpp and tests/cuda/nccl_faults.sh:
//   stall_program WHAT RANK FOLDER [stall_timeout_s] [nccl]
// Each rank writes its process id to FOLDER/pid-<rank>; `RANK` does what WHAT says. nccl: on a GPU
// for each rank, whose collectives go over NCCL.

namespace lckv::comm {
namespace {

using Sleep = std::chrono::duration<double>;

constexpr double kForever_s = 60;  // longer than any test waits
constexpr int64_t kCount = 1 << 20;

struct Scene {
  World& world;
  int culprit;
  std::string folder;
  Device device;  // a GPU: collectives over NCCL
  WatchdogOptions options{};
  Stream stream{device};
  Buffer data{DType::kF32, {kCount}, device};

  bool here() const { return world.rank() == culprit; }
  View x() const { return data.view(); }
  std::unique_ptr<Communicator> split(const char* name, int color) {
    return device.kind == DeviceKind::kCpu ? world.split(name, color)
                                           : world.split_over_nccl(name, color, device);
  }
  void reduce(Communicator& group, const char* label = "gradients") {
    reduce(group, label, kCount);
  }
  void reduce(Communicator& group, const char* label, int64_t count) {
    group.all_reduce(stream, x().slice(0, 0, count), ReduceOp::kSum, label);
    stream.synchronize();
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
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) std::raise(SIGSTOP);
  scene.reduce(*dp);
}

void never_comes(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) hang();
  scene.reduce(*dp);
}

/// Others wait for what they started, in the thread that carries it out.
void never_starts(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) hang();
  dp->start_all_reduce(scene.stream, scene.x(), ReduceOp::kSum, "gradients").finish();
  scene.stream.synchronize();
}

void calls_another(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) {
    dp->broadcast(scene.stream, scene.x(), (scene.world.rank() + 1) % scene.world.size(),
                  "weights");
    scene.stream.synchronize();
  } else {
    scene.reduce(*dp);
  }
}

void sums_less(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  scene.reduce(*dp, "gradients", scene.here() ? kCount / 2 : kCount);
}

void dies(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) std::raise(SIGKILL);
  scene.reduce(*dp);
}

/// Its communicators unwind while the others wait.
void fails(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
  scene.run_well(*dp);
  if (scene.here()) {
    sleep_s(0.5);  // the others are there
    throw IoError("disk full");
  }
  scene.reduce(*dp);
}

/// A grid of pairs: the partner of RANK waits for it in tp, others for that one in dp.
void holds_up_a_chain(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto tp = scene.split("tp", scene.world.rank() / 2);
  const auto dp = scene.split("dp", scene.world.rank() % 2);
  scene.run_well(*tp);
  scene.run_well(*dp);
  if (scene.here()) hang();
  if (scene.world.rank() / 2 == scene.culprit / 2) scene.reduce(*tp, "tp attention out");
  scene.reduce(*dp);
}

/// Longer than the time-out, but it gets on.
void is_late(Scene& scene) {
  const Watchdog watchdog(scene.world, scene.options);
  const auto dp = scene.split("dp", 0);
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
  const auto dp = scene.split("dp", 0);
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
      const auto dp = scene.split("dp", 0);
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
    {"sums_less", sums_less},
    {"dies", dies},
    {"fails", fails},
    {"holds_up_a_chain", holds_up_a_chain},
    {"is_late", is_late},
    {"is_suspended", is_suspended},
    {"leave_in_turn", leave_in_turn},
    {"fail_in_turn", fail_in_turn},
};

Device device_of(const World& world, bool over_nccl) {
  if (!over_nccl) return {};
  if (cuda::device_count() == 0) throw CudaError(cuda::why_no_device());
  return {DeviceKind::kCuda, world.local_rank() % cuda::device_count()};
}

void run(const std::string& what, int rank, const std::string& folder, double timeout_s,
         bool over_nccl) {
  World world = World::join();
  std::ofstream(folder + "/pid-" + std::to_string(world.rank())) << getpid() << '\n';
  Scene scene{
      .world = world, .culprit = rank, .folder = folder, .device = device_of(world, over_nccl)};
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
    const bool over_nccl = argc > 5 && std::string_view(argv[5]) == "nccl";
    lckv::comm::run(argv[1], std::atoi(argv[2]), argv[3], argc > 4 ? std::atof(argv[4]) : 3,
                    over_nccl);
  } catch (const lckv::Error& error) {
    std::fprintf(stderr, "stall_program: %s\n", error.what());
    return static_cast<int>(error.exit_code());
  }
  return 0;
}
