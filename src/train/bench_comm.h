#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/comm/world.h"

namespace lckv::train {

struct BenchCommSettings {
  int64_t max_bytes = int64_t{64} << 20;
  double budget_s = 0.3;  // spent on each collective and size
};

/// One collective at one size. Every call begins with a barrier behind it and takes as long as its
/// slowest rank.
struct CollectiveRate {
  std::string collective;  // "all_reduce", ..., "start_reduce_scatter": started, finished at once
  std::string dtype;       // "" for a barrier
  int64_t bytes = 0;       // of the whole view, rounded up to what the ranks can divide
  int64_t sent_bytes = 0;  // per rank, the least that any algorithm can send
  int64_t calls = 0;
  double median_s = 0, min_s = 0;
  double algorithm_bytes_per_s() const { return double(bytes) / median_s; }
  double bus_bytes_per_s() const { return double(sent_bytes) / median_s; }
};

/// What `lckv bench comm` measures.
struct BenchCommResult {
  int ranks = 0;
  std::vector<std::string> hosts;  // by rank
  int64_t copy_bytes = 0;          // of one memory copy
  double copy_bytes_per_s = 0;     // copied per rank while all ranks copy
  std::vector<CollectiveRate> rates;
};

/// Collective. Buffers are reused from call to call: sizes that fit a cache are measured in it.
/// Throws Error (exit code kUsage) in a world of one.
BenchCommResult bench_collectives(comm::World& world, const BenchCommSettings& settings);

std::string to_text(const BenchCommResult& result);
std::string to_json(const BenchCommResult& result);

}  // namespace lckv::train
