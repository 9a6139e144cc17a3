#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "lckv/comm/collective_log.h"

namespace lckv::comm {

class World;

/// What one rank tells of itself, as it travels. Times are ages when it was written: clocks of
/// several machines differ.
struct RankRecord {
  static constexpr size_t kMaxCollectives = 12;
  static constexpr int32_t kNone = -1;

  int32_t watch = 0;  // whose record it is, where a world has several watchdogs in turn
  int32_t rank = 0;
  int32_t pid = 0;
  int32_t stop_rank = kNone;  // which rank was told to stop, as far as is known here
  bool leaves = false;        // no further record comes
  bool wrote_stacks = false;
  bool whole = true;  // every lane that has begun a call is below
  FixedText<64> host;
  FixedText<32> phase;
  double idle_s = 0;  // since the last progress
  int64_t progress = 0;
  int32_t collective_count = 0;
  std::array<CollectiveState, kMaxCollectives> collective;

  std::span<const CollectiveState> collectives() const {
    return std::span(collective).first(static_cast<size_t>(collective_count));
  }
  /// Those under way come first; what finds no room is left out.
  void set_collectives(const std::vector<CollectiveState>& states);
};

/// This rank, now. Nothing is older than `awake_s`: since then this process has not been stopped,
/// and time in which it was does not count.
RankRecord record_here(const World& world, double awake_s);

/// What is known of one rank: its newest record, and how long ago it came; where none has come, how
/// long none has.
struct HeardRank {
  bool heard = false;
  double age_s = 0;
  RankRecord record;
};

}  // namespace lckv::comm
