#include <algorithm>
#include <set>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include "lckv/comm/agreement.h"
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

/// This thread's binding, put back at the end.
class Binding {
 public:
  Binding() { sched_getaffinity(0, sizeof(mask_), &mask_); }
  ~Binding() { sched_setaffinity(0, sizeof(mask_), &mask_); }
  Binding(const Binding&) = delete;
  Binding& operator=(const Binding&) = delete;

 private:
  cpu_set_t mask_;
};

using Cores = std::set<int>;

/// The cores that each rank may use now. Collective.
std::vector<Cores> bindings() {
  cpu_set_t mask;
  sched_getaffinity(0, sizeof(mask), &mask);
  std::string bits;
  for (size_t core = 0; core < CPU_SETSIZE; ++core) bits += CPU_ISSET(core, &mask) ? '1' : '0';
  std::vector<Cores> all;
  for (const std::string& theirs : gather_texts(world().all(), bits)) {
    all.emplace_back();
    for (size_t core = 0; core < theirs.size(); ++core) {
      if (theirs[core] == '1') all.back().insert(static_cast<int>(core));
    }
  }
  return all;
}

bool disjoint(const std::vector<Cores>& masks) {
  size_t counted = 0;
  Cores cores;
  for (const Cores& mask : masks) {
    counted += mask.size();
    cores.insert(mask.begin(), mask.end());
  }
  return cores.size() == counted;
}

int64_t sum_over_ranks(int64_t value) {
  Stream stream;
  world().all().all_reduce(stream, View(&value, DType::kI64, {1}), ReduceOp::kSum, "threads");
  return value;
}

TEST(World, SharesTheCoresOfThisMachine) {
  const std::vector<Cores> before = bindings();
  const Cores& machine = before.front();
  EXPECT_THAT(before, testing::Each(machine)) << "the runner starts ranks unbound";
  {
    const Binding restored;
    const int threads = take_cores(world(), 0, false);
    EXPECT_GE(threads, 1);
    const int64_t all_threads = sum_over_ranks(threads);
    const std::vector<Cores> after = bindings();
    if (std::ssize(machine) < world().size()) {  // nothing to share out
      EXPECT_EQ(all_threads, world().size());
      EXPECT_EQ(after, before);
    } else {
      EXPECT_LE(all_threads, std::ssize(machine));
      EXPECT_TRUE(disjoint(after)) << testing::PrintToString(after);
      for (const Cores& mask : after) {
        EXPECT_EQ(std::ssize(mask), threads);
        EXPECT_TRUE(std::ranges::includes(machine, mask));
      }
    }
  }
  EXPECT_EQ(bindings(), before);
}

TEST(World, TakesMoreThreadsThanCoresOnlyWhenTold) {
  const Binding restored;
  const std::vector<Cores> before = bindings();
  EXPECT_THROW(take_cores(world(), 1000, false), Error);
  EXPECT_EQ(take_cores(world(), 1000, true), 1000);
  EXPECT_EQ(bindings(), before);
}

}  // namespace
}  // namespace lckv::comm
