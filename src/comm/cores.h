#pragma once

#include <vector>

#include "lckv/comm/world.h"

namespace lckv::comm {

/// Cores for the threads of this rank.
struct CoreShare {
  int threads = 1;
  std::vector<int> cores;  // to bind to; empty: leave the binding as it is
};

/// Pure: what each rank of one machine gets. `masks[r]`: the cores that rank r may use, as the
/// launcher bound it. Ranks that share cores share them out in equal, disjoint blocks; a rank
/// always gets one thread at least. `requested` > 0: threads asked for; allowed when the share
/// holds them or `oversubscribe` is set, else ConfigError with ranks, threads, cores and what to
/// start instead.
CoreShare share_cores(const std::vector<std::vector<int>>& masks, int rank, int requested,
                      bool oversubscribe);

/// Collective: share_cores() among the ranks of this machine, then binds this process to its block.
/// Returns the number of threads. A process alone keeps its binding.
int take_cores(World& world, int requested, bool oversubscribe);

}  // namespace lckv::comm
