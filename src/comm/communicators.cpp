#include "lckv/comm/communicators.h"

#include <map>
#include <string>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/nccl_communicator.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

namespace {

void check_sharers(const Grid& grid, int kv_sharers) {
  LCKV_CHECK(kv_sharers >= 1 && grid.tp % kv_sharers == 0,
             format("{} key/value sharers in {}", kv_sharers, to_string(grid)));
}

/// Every rank's GPU, by rank: "node17, GPU 0000:65:00.0".
std::vector<std::string> gpus(World& world, Device device) {
  std::string own;
  together(world, [&] { own = format("{}, GPU {}", world.host(), bus_id(device)); });
  return gather_texts(world.all(), own);
}

/// "ranks 0 and 1 (node17, GPU 0000:65:00.0)"; "" where nobody shares one.
std::string sharing_ranks(const std::vector<std::string>& gpus) {
  std::map<std::string, size_t> first;
  for (size_t rank = 0; rank < gpus.size(); ++rank) {
    const auto [known, is_new] = first.emplace(gpus[rank], rank);
    if (!is_new) return format("ranks {} and {} ({})", known->second, rank, gpus[rank]);
  }
  return "";
}

bool takes_nccl(World& world, Device device, DevicePath path) {
  if (device.kind == DeviceKind::kCpu || world.size() == 1 || path == DevicePath::kMpi) {
    return false;
  }
  const std::string sharing = sharing_ranks(gpus(world, device));
  if (sharing.empty() || path == DevicePath::kAuto) return sharing.empty();
  throw CommError("NCCL needs a GPU for each rank, but one is shared by " + sharing);
}

}  // namespace

Communicators make_communicators(World& world, const Grid& grid, int kv_sharers, Device device,
                                 DevicePath path) {
  check_sharers(grid, kv_sharers);
  LCKV_CHECK(grid.ranks() == world.size() && grid.rank == world.rank(),
             format("rank {} of {} in a world where it is {} of {}", grid.rank, to_string(grid),
                    world.rank(), world.size()));
  Communicators made;
  made.grid = grid;
  made.over_nccl = takes_nccl(world, device, path);
  const auto split = [&](const char* name, int color) {
    return made.over_nccl ? world.split_over_nccl(name, color, device) : world.split(name, color);
  };
  made.world = split("world", 0);
  made.dp = split("dp", grid.tp_rank());
  made.tp = split("tp", grid.dp_rank());
  // tp is the fastest axis and a multiple of kv_sharers: no group reaches across two model copies.
  made.kv = split("kv", grid.rank / kv_sharers);
  return made;
}

Communicators alone() { return planned(Grid{}, 1); }

Communicators planned(const Grid& grid, int kv_sharers) {
  check_sharers(grid, kv_sharers);
  Communicators made;
  made.grid = grid;
  made.world = make_planned("world", grid.rank, grid.ranks());
  made.dp = make_planned("dp", grid.dp_rank(), grid.dp);
  made.tp = make_planned("tp", grid.tp_rank(), grid.tp);
  made.kv = make_planned("kv", grid.tp_rank() % kv_sharers, kv_sharers);
  return made;
}

const Communicators& single_process() {
  static const Communicators instance = alone();
  return instance;
}

}  // namespace lckv::comm
