#include <vector>

#include <gtest/gtest.h>

#include "lckv/comm/communicators.h"
#include "lckv/comm/cores.h"
#include "lckv/mpi_test/world.h"

namespace lckv::comm {
namespace {

using test::world;

/// The world ranks of a group, by rank in it.
std::vector<int> members(Communicator& group) {
  Stream stream;
  std::vector<int32_t> ranks(static_cast<size_t>(group.size()));
  const int32_t own = world().rank();
  group.all_gather(stream, View(ranks.data(), DType::kI32, {group.size()}),
                   ConstView(&own, DType::kI32, {1}), "members");
  return {ranks.begin(), ranks.end()};
}

/// The ranks that share my `key`, in order.
template <class Key>
std::vector<int> ranks_alike(const Grid& grid, const Key& key) {
  std::vector<int> ranks;
  for (int rank = 0; rank < grid.ranks(); ++rank) {
    if (key(Grid{grid.dp, grid.tp, rank}) == key(grid)) ranks.push_back(rank);
  }
  return ranks;
}

TEST(Split, GroupsFollowTheGrid) {
  for (int tp = 1; tp <= world().size(); ++tp) {
    if (world().size() % tp != 0) continue;
    for (int sharers = 1; sharers <= tp; ++sharers) {
      if (tp % sharers != 0) continue;
      const Grid grid = make_grid(world().size(), world().rank(), tp, 0);
      const Communicators groups = make_communicators(world(), grid, sharers);
      EXPECT_EQ(members(*groups.world), ranks_alike(grid, [](const Grid&) { return 0; }));
      EXPECT_EQ(members(*groups.dp), ranks_alike(grid, [](const Grid& g) { return g.tp_rank(); }));
      EXPECT_EQ(members(*groups.tp), ranks_alike(grid, [](const Grid& g) { return g.dp_rank(); }));
      EXPECT_EQ(members(*groups.kv), ranks_alike(grid, [&](const Grid& g) {
                  return std::pair(g.dp_rank(), g.tp_rank() / sharers);
                }));
      const Communicators on_paper = planned(grid, sharers);
      EXPECT_EQ(groups.dp->rank(), on_paper.dp->rank());
      EXPECT_EQ(groups.tp->rank(), on_paper.tp->rank());
      EXPECT_EQ(groups.kv->rank(), on_paper.kv->rank());
      EXPECT_EQ(groups.kv->size(), on_paper.kv->size());
    }
  }
}

TEST(Split, RefusesAGridOfAnotherWorld) {
  const Grid grid{.dp = world().size() + 1, .tp = 1, .rank = world().rank()};
  EXPECT_THROW(make_communicators(world(), grid, 1), InternalError);
}

TEST(World, PlacesTheRanksOfThisMachine) {
  EXPECT_EQ(world().local_size(), world().size());
  EXPECT_EQ(world().local_rank(), world().rank());
  EXPECT_EQ(members(*world().split_by_machine("machine")), members(world().all()));
}

TEST(World, SharesTheCoresOfThisMachine) {  // started unbound: all ranks have one mask
  const int threads = take_cores(world(), 0, false);
  EXPECT_GE(threads, 1);
  const int twice = take_cores(world(), 1000, true);
  EXPECT_EQ(twice, 1000);
  EXPECT_THROW(take_cores(world(), 1000, false), Error);
}

}  // namespace
}  // namespace lckv::comm
