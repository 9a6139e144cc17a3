#include "lckv/comm/communicators.h"

#include "lckv/base/text.h"
#include "lckv/comm/world.h"

namespace lckv::comm {

namespace {

void check_sharers(const Grid& grid, int kv_sharers) {
  LCKV_CHECK(kv_sharers >= 1 && grid.tp % kv_sharers == 0,
             format("{} key/value sharers in {}", kv_sharers, to_string(grid)));
}

}  // namespace

Communicators make_communicators(World& world, const Grid& grid, int kv_sharers) {
  check_sharers(grid, kv_sharers);
  LCKV_CHECK(grid.ranks() == world.size() && grid.rank == world.rank(),
             format("rank {} of {} in a world where it is {} of {}", grid.rank, to_string(grid),
                    world.rank(), world.size()));
  Communicators made;
  made.grid = grid;
  made.world = world.split("world", 0);
  made.dp = world.split("dp", grid.tp_rank());
  made.tp = world.split("tp", grid.dp_rank());
  // tp is the fastest axis and a multiple of kv_sharers: no group reaches across two model copies.
  made.kv = world.split("kv", grid.rank / kv_sharers);
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
