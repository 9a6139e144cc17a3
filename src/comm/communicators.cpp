#include "lckv/comm/communicators.h"

#include "lckv/base/text.h"
#include "lckv/comm/device_path.h"
#include "lckv/comm/nccl_communicator.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

namespace {

void check_sharers(const Grid& grid, int kv_sharers) {
  LCKV_CHECK(kv_sharers >= 1 && grid.tp % kv_sharers == 0,
             format("{} key/value sharers in {}", kv_sharers, to_string(grid)));
}

bool goes_over_nccl(World& world, Device device, DevicePath path) {
  if (device.kind == DeviceKind::kCpu || world.size() == 1) return false;
  return takes_nccl(world, path, [&]() -> NcclHere {
    return {.gpu = format("{}, GPU {}", world.host(), bus_id(device)), .version = nccl_version()};
  });
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
  made.over_nccl = goes_over_nccl(world, device, path);
  const auto split = [&](const char* name, int color) {
    return made.over_nccl ? world.split_over_nccl(name, color, device) : world.split(name, color);
  };
  made.world = split("world", 0);
  made.dp = split("dp", grid.tp_rank());
  made.tp = split("tp", grid.dp_rank());
  // tp is the fastest axis and a multiple of kv_sharers: no group reaches across two model copies.
  made.kv = split("kv", grid.rank / kv_sharers);
  fail_together({made.world.get(), made.dp.get(), made.tp.get(), made.kv.get()});
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
