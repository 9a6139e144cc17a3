#include "lckv/doctor/nodes.h"

#include <algorithm>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/communicators.h"
#include "lckv/config/run.h"
#include "lckv/doctor/bus_rate.h"
#include "lckv/doctor/memory.h"
#include "lckv/doctor/rates.h"
#include "lckv/kernels/table.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/train/device.h"
#include "lckv/train/precision.h"

namespace lckv::doctor {

namespace {

/// Of the budget; the rest is waiting.
constexpr double kRatesFrac = 0.45, kBusFrac = 0.15, kDiskFrac = 0.2;
constexpr int kRoundTrips = 50;

/// Where this rank would train.
struct Place {
  Device device;
  DType dtype = DType::kF32;
};

Place find_place(const comm::World& world) {
  Place place;
  place.device = train::resolve_device(world, config::DeviceChoice::kAuto);
  place.dtype = train::resolve_precision(config::Precision::kAuto, place.device);
  return place;
}

RankFacts describe(const comm::World& world, const Place& place, int threads) {
  RankFacts here;
  here.rank = world.rank();
  here.local_rank = world.local_rank();
  here.host = world.host();
  here.has_gpu = place.device.kind == DeviceKind::kCuda;
  here.device = here.has_gpu ? format("{} {}", name(place.device),
                                      cuda::device_facts(place.device.index).name)
                             : std::string(ops::kernels(place.device).name);
  here.dtype = precision_name(place.dtype);
  here.threads = threads;
  here.memory_bytes =
      read_memory(read_text_file, read_cgroup_limits(read_text_file)).available_bytes();
  return here;
}

/// Collective in a machine: the lowest rank of its ranks, whose order is that of the world.
int lowest_rank(comm::Communicator& machine, int rank) {
  int64_t lowest = rank;
  Stream stream;
  machine.broadcast(stream, View(&lowest, DType::kI64, {1}), /*root=*/0, "node");
  return static_cast<int>(lowest);
}

/// On all ranks at the same time.
void measure_rates_together(comm::World& world, const Place& place, double budget_s,
                            const NodeInstruments& instruments, RankFacts& here) {
  world.all().barrier("rates");
  comm::together(world, [&] {
    try {
      here.rates = instruments.rates(place.device, place.dtype, budget_s);
    } catch (const CudaError& error) {
      here.problem = error.what();
    }
  });
}

/// Collective: all_reduce in each node, all nodes at the same time, and over all ranks; on the GPUs
/// where every rank has one that works.
void measure_buses(comm::World& world, Device device, double budget_s, RankFacts& here,
                   NodesFacts& facts) {
  const bool without_gpu = device.kind == DeviceKind::kCpu || !here.problem.empty();
  if (comm::any_rank(world.all(), without_gpu, "GPUs")) device = {};
  const comm::Communicators groups = comm::make_communicators(
      world, comm::make_grid(world.size(), world.rank(), /*tensor=*/1, /*data=*/0), 1, device);
  facts.over_nccl = groups.over_nccl;
  const auto node = groups.over_nccl ? world.split_over_nccl("node", here.node_rank, device)
                                     : world.split("node", here.node_rank);
  here.node_bus_bytes_per_s = measure_bus(*node, device, budget_s);
  facts.bus_bytes_per_s = measure_bus(*groups.world, device, budget_s);
}

}  // namespace

RankRates measure_rank(Device device, DType dtype, double budget_s) {
  return {.matmul_flops_per_s = measure_matmul(device, dtype, budget_s / 2),
          .memory_bytes_per_s = measure_memory(device, budget_s / 2)};
}

NodesFacts examine_nodes(comm::World& world, const NodesSettings& settings,
                         const NodeInstruments& instruments) {
  const int threads = train::use_threads(world, /*threads=*/0, /*oversubscribe=*/false);
  const auto machine = world.split_by_machine("machine");
  Place place;
  RankFacts here;
  comm::together(world, [&] {
    place = find_place(world);
    here = describe(world, place, threads);
  });
  here.node_rank = lowest_rank(*machine, world.rank());
  NodesFacts facts;
  facts.folder = settings.folder.string();
  // Clocks first: ranks that compute answer late.
  here.clock = measure_clock_offsets(world.all(), kRoundTrips,
                                     instruments.clock_ns)[static_cast<size_t>(world.rank())];
  if (!settings.folder.empty()) {
    here.disk = examine_shared_folder(world, *machine, settings.folder,
                                      kDiskFrac * settings.budget_s, instruments.folder);
  }
  note_progress();
  measure_rates_together(world, place, kRatesFrac * settings.budget_s, instruments, here);
  note_progress();
  measure_buses(world, place.device, kBusFrac * settings.budget_s, here, facts);
  for (const std::string& text : comm::gather_texts(world.all(), encode(here))) {
    facts.ranks.push_back(decode_rank_facts(text));
  }
  return facts;
}

}  // namespace lckv::doctor
