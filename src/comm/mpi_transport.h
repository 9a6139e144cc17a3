#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lckv/comm/collective_log.h"
#include "lckv/comm/mpi_calls.h"
#include "lckv/comm/mpi_limits.h"

namespace lckv::comm {

/// How a thread passes the time until messages arrive.
struct Patience {
  std::chrono::microseconds spins{0};   // so long it looks again at once
  std::chrono::microseconds sleeps{0};  // then it sleeps so long between two looks,
  std::chrono::microseconds longest{
      0};  // each time half as long again, up to this where it is more
};

/// Runs collectives one after the other in one MPI communicator, for one thread.
class MpiTransport {
 public:
  MpiTransport(MpiComm comm, Patience patience, const GroupIdentity& group, Lane lane);

  /// Throws CommError; then the ranks no longer agree where they are, and every later call throws.
  void run(const std::string& group, const Collective& call);

  /// From any thread: a call that waits for other ranks gives up with CommError.
  void abandon() { abandoned_ = true; }
  void set_limits(const MpiLimits& limits) { limits_ = limits; }
  /// This lane in the log of collectives.
  CollectiveSlot& slot() { return slot_; }

 private:
  struct Parts;
  class Segments;

  void dispatch(const Collective& call);
  void all_reduce(const Collective& call);
  void all_reduce_gathered(const Collective& call);
  void reduce_parts(const Parts& parts, View x, void* own, ReduceOp op);
  void gather_parts(const Parts& parts, void* x);
  void broadcast(const Collective& call);
  void barrier();
  void wait(MpiMessages& messages);
  MpiMessages messages() const { return {comm_.get(), limits_.message_bytes}; }
  int64_t segment_elems(DType dtype) const;
  std::byte* staging(int64_t bytes);

  MpiComm comm_;
  int rank_;
  int size_;
  Patience patience_;
  MpiLimits limits_;
  CollectiveSlot slot_;
  std::atomic<bool> abandoned_{false};
  std::string failure_;   // of the first call that failed
  int64_t sequence_ = 0;  // number of the call: equal on all ranks
  int tag_ = 0;           // tells messages of one call from those of its neighbours
  std::unique_ptr<std::byte[]> staging_;
  int64_t staging_bytes_ = 0;
};

}  // namespace lckv::comm
