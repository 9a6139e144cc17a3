#pragma once

#include <cstdint>

#include "lckv/comm/communicator.h"

namespace lckv::comm {

/// Where the ways that data can take part. Never changes a result.
struct MpiLimits {
  int64_t gathered_bytes = int64_t{8} << 10;  // all_reduce up to this: gather all, sum locally
  int64_t segment_bytes = int64_t{1} << 20;   // staged from each peer at a time, twice
  int64_t staging_bytes = int64_t{64} << 20;  // over all peers: many of them get smaller segments
  int64_t message_bytes = int64_t{1} << 30;   // MPI counts in int
};

/// For tests. Collective; `group` runs over MPI and has nothing under way.
void set_mpi_limits(Communicator& group, const MpiLimits& limits);

}  // namespace lckv::comm
