#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "lckv/comm/communicator.h"

namespace lckv::doctor {

/// What a rank's clock shows beyond rank 0's: `offset_s`, wrong by `error_s` at most.
struct ClockOffset {
  double offset_s = 0;
  double error_s = 0;
};

/// Nanoseconds since 1970 by this machine's clock, which NTP keeps.
int64_t wall_clock_ns();

/// Collective: the offset of every rank, by rank, on all ranks.
///
/// Rank 0 reads its clock (t0) and tells all; each reads its own (t) after it has heard, and rank 0
/// reads again (t1) when it has all answers. So t lies between t0 and t1 by rank 0's clock, and
///
///   offset = t - (t0 + t1) / 2        error = (t1 - t0) / 2
///
/// of the fastest of `rounds` round trips. Clocks that are set meanwhile void it.
///
///   now_ns   the clock of this rank: wall_clock_ns, but in tests
std::vector<ClockOffset> measure_clock_offsets(comm::Communicator& group, int rounds,
                                               const std::function<int64_t()>& now_ns);

}  // namespace lckv::doctor
