#pragma once

#include <string>
#include <vector>

#include "lckv/base/timeline.h"
#include "lckv/comm/communicator.h"

namespace lckv::train {

/// What one rank did in a stretch of time that all ranks began together.
struct RankTimeline {
  int rank = 0;
  std::string host;
  double begin_s = 0, end_s = 0;  // of the stretch, on the clock of timelines of that host
  std::vector<TimelineSpan> spans;
};

/// Collective: every rank's, by rank, on rank 0; nothing on the others.
std::vector<RankTimeline> gather_timelines(comm::Communicator& group, const RankTimeline& own);

/// The "traceEvents" JSON of Chrome (chrome://tracing, ui.perfetto.dev): a process per rank, a
/// thread per lane, a complete event ("ph": "X") per span; microseconds since the common begin.
///
/// Ranks of one host share a clock and are shown by it, from the begin of their earliest; hosts are
/// aligned at that begin, so between hosts times are as exact as the barrier was that ranks left.
std::string to_chrome_trace(const std::vector<RankTimeline>& timelines);

}  // namespace lckv::train
