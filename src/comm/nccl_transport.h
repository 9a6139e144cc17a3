#pragma once

#include <atomic>
#include <mutex>
#include <string>

#include <nccl.h>

#include "lckv/comm/communicator.h"
#include "lckv/tensor/buffer.h"

namespace lckv::comm {

/// Queues collectives on views in one device's memory, one after the other, on a stream of its own.
class NcclTransport {
 public:
  /// Takes what this rank needs on the device.
  NcclTransport(int rank, int size, Device device);
  /// Waits for what is queued, which after abort() is nothing.
  ~NcclTransport();
  NcclTransport(const NcclTransport&) = delete;
  NcclTransport& operator=(const NcclTransport&) = delete;

  /// Collective over the `size` ranks that got this id, once and before all else. Returns when they
  /// have found each other. Throws CommError.
  void connect(const ncclUniqueId& id);
  /// Not barrier. Sums run in rank order (rank_order.h): every rank receives the others' parts of
  /// its share and adds them itself, so that bits do not depend on NCCL's paths. Throws CommError.
  void queue(const Collective& call);
  cudaStream_t stream() const { return stream_; }

  /// What NCCL has met since; "" while all is well. From any thread.
  std::string failure();
  /// Ends what is queued, whatever the other ranks do; queue() throws from then on. From any
  /// thread. Where NCCL does not return from that in 10 s this process ends, with kComm.
  void abort();

 private:
  void dispatch(const Collective& call);
  void all_reduce(const Collective& call);
  void reduce_gathered(View x, ReduceOp op);
  void reduce_parts(std::byte* x, int64_t part_elems, std::byte* own, DType dtype, ReduceOp op);
  void exchange(const std::byte* first, int64_t part_bytes, int64_t bytes, std::byte* staged,
                int64_t slot_bytes);
  void gather(const std::byte* own, std::byte* x, int64_t own_bytes);
  std::byte* staging(int64_t bytes) const;
  void check(ncclResult_t status, const char* function) const;

  const int rank_;
  const int size_;
  std::timed_mutex calls_;  // of NCCL on comm_
  std::atomic<bool> aborted_{false};
  std::atomic<ncclComm_t> comm_{nullptr};  // abort() reads it while connect() holds calls_
  cudaStream_t stream_ = nullptr;
  Buffer staging_;  // always the same: recorded graphs hold its address
};

}  // namespace lckv::comm
