#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lckv/comm/rank_record.h"

namespace lckv::comm {

struct StallLimits {
  double stall_s;   // a collective that is under way for longer has stalled, unless a rank that it
                    // waits for makes progress
  double silent_s;  // a rank of which no record came for longer does not answer
};

/// Why a rank lags; of several reasons the first in this order is the cause.
enum class LagReason : uint8_t {
  kSilent,    // its records stopped: the process is stopped, or its machine is gone
  kMismatch,  // it runs another collective of the group than others, under the same number
  kGone,      // its watch has ended, and it has not come
  kBehind,    // it has not begun the call, waits for no other rank, and makes no progress
  kCircle,    // ranks wait for each other in different groups: one of them left a call out, or
              // took another order
  kTransport  // all ranks are in the call, and yet it does not end
};

/// A call that has stalled, and the ranks that wait in it.
struct StalledCall {
  CollectiveState call;  // as the rank has it that waits longest
  double age_s = 0;      // of that rank's call
  std::vector<int> waiting;
  std::vector<int> missing;  // for which they wait: that lag, or wait in turn in another call
};

struct Stall {
  LagReason reason;
  std::vector<int> ranks;          // that lag, in ascending order
  std::vector<StalledCall> calls;  // that they hold up, directly, then through others; also where
                                   // the ranks wait not yet too long, but half of that
};

/// Whether a collective of the world has stalled, and because of whom. Pure. Starts from every call
/// of a prompt group that is under way for too long, and follows who waits for whom from group to
/// group to the ranks that wait for nobody.
///
///   ranks   by rank of the world
///
/// Nothing is found while a rank at the end of such a chain makes progress: it is late, and will
/// come. Nor is it while a circle or a call with all its ranks is younger than stall_s: records of
/// different ranks are of different moments.
std::optional<Stall> find_stall(const std::vector<HeardRank>& ranks, const StallLimits& limits);

/// "rank 2 (node17, pid 123) does not answer since 12.3 s: stopped, or its machine is gone; it was
/// training; ranks 0, 1, 3 wait for it in dp (started): reduce_scatter "dp gradients", 4.00 MiB,
/// call 118, for 12.0 s"
std::string to_text(const Stall& stall, const std::vector<HeardRank>& ranks);

}  // namespace lckv::comm
