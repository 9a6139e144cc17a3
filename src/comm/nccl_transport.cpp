#include "lckv/comm/nccl_transport.h"

#include <algorithm>
#include <chrono>

#include <cuda_runtime_api.h>

#include "lckv/base/text.h"
#include "lckv/comm/deadline.h"
#include "lckv/comm/nccl_library.h"
#include "lckv/comm/nccl_memory.h"
#include "lckv/comm/rank_order_device.h"

namespace lckv::comm {

namespace {

/// All ranks send each other everything up to this: one exchange instead of two.
constexpr int64_t kGatheredBytes = int64_t{64} << 10;
constexpr int64_t kPackBytes = 16;  // what the sum reads at once
/// A thread that is inside NCCL for longer may wait there for a rank that is gone.
constexpr auto kCallTakes = std::chrono::seconds(2);
constexpr auto kAbortTakes = std::chrono::seconds(10);
constexpr auto kOnSharedGpu =
    "; ranks that share a GPU need NCCL 2.30 with NCCL_MULTI_RANK_GPU_ENABLE=1, or "
    "parallel.device_comm: mpi";

int64_t round_down(int64_t value, int64_t unit) { return value / unit * unit; }

void check_cuda(cudaError_t status, const char* function) {
  if (status == cudaSuccess) return;
  throw CudaError(format("{}: {}", function, cudaGetErrorString(status)));
}

std::byte* bytes_of(const View& view) { return static_cast<std::byte*>(view.raw()); }

cudaStream_t make_urgent_stream(Device device) {
  check_cuda(cudaSetDevice(device.index), "cudaSetDevice");
  int least = 0, greatest = 0;
  check_cuda(cudaDeviceGetStreamPriorityRange(&least, &greatest),
             "cudaDeviceGetStreamPriorityRange");
  cudaStream_t made = nullptr;
  check_cuda(cudaStreamCreateWithPriority(&made, cudaStreamNonBlocking, greatest),
             "cudaStreamCreateWithPriority");
  return made;
}

}  // namespace

NcclTransport::NcclTransport(int rank, int size, Device device)
    : rank_(rank),
      size_(size),
      stream_(make_urgent_stream(device)),
      staging_(kNcclStagingBytes, device) {
  check_cuda(cudaDeviceSynchronize(), "cudaDeviceSynchronize");  // new memory has been zeroed
}

void NcclTransport::connect(const ncclUniqueId& id) {
  const std::lock_guard lock(calls_);
  ncclComm_t made = nullptr;
  const ncclResult_t status = nccl().comm_init_rank(&made, size_, id, rank_);
  if (status == ncclSuccess) {
    comm_ = made;
    return;
  }
  throw CommError(format("ncclCommInitRank: {}{}", nccl().text(status, nullptr),
                         status == ncclInvalidUsage ? kOnSharedGpu : ""));
}

NcclTransport::~NcclTransport() {
  (void)cudaStreamSynchronize(stream_);
  if (!aborted_ && comm_ != nullptr) (void)nccl().comm_destroy(comm_);
  (void)cudaStreamDestroy(stream_);
}

void NcclTransport::queue(const Collective& call) {
  const std::lock_guard lock(calls_);
  if (aborted_) throw CommError("given up");
  if (call.x.bytes() > 0) dispatch(call);
}

void NcclTransport::dispatch(const Collective& call) {
  switch (call.kind) {
    case CollectiveKind::kAllReduce:
      return all_reduce(call);
    case CollectiveKind::kReduceScatter:
      return reduce_parts(bytes_of(call.x), call.own.numel(), bytes_of(call.own), call.x.dtype(),
                          call.op);
    case CollectiveKind::kAllGather:
      return gather(bytes_of(call.own), bytes_of(call.x), call.own.bytes());
    case CollectiveKind::kBroadcast:
      return check(nccl().broadcast(call.x.raw(), call.x.raw(), static_cast<size_t>(call.x.bytes()),
                                    ncclUint8, call.root, comm_, stream_),
                   "ncclBroadcast");
    case CollectiveKind::kBarrier:
      break;
  }
  throw InternalError(format("NCCL does not run {}", name(call.kind)));
}

/// Equal parts of whole packs are summed by one rank each; what is left over, by all.
void NcclTransport::all_reduce(const Collective& call) {
  const View& x = call.x;
  if (x.bytes() <= std::min(kGatheredBytes, kNcclStagingBytes / size_))
    return reduce_gathered(x, call.op);
  const int64_t elem_bytes = size_bytes(x.dtype());
  const int64_t part_elems = round_down(x.numel() / size_, kPackBytes / elem_bytes);
  const int64_t part_bytes = part_elems * elem_bytes;
  std::byte* const own = bytes_of(x) + rank_ * part_bytes;
  reduce_parts(bytes_of(x), part_elems, own, x.dtype(), call.op);
  gather(own, bytes_of(x), part_bytes);
  const View left = x.reshape({x.numel()}).slice(0, part_elems * size_, x.numel());
  if (left.numel() > 0) reduce_gathered(left, call.op);
}

void NcclTransport::reduce_gathered(View x, ReduceOp op) {
  std::byte* const staged = staging(x.bytes() * size_);
  gather(bytes_of(x), staged, x.bytes());
  const DeviceParts parts{
      .own = x.raw(), .staged = staged, .slot_elems = x.numel(), .rank = rank_, .size = size_};
  combine_in_rank_order_on_device(stream_, x.dtype(), op, x.raw(), parts, x.numel());
}

/// own = this rank's of the parts of x, joined over all ranks.
void NcclTransport::reduce_parts(std::byte* x, int64_t part_elems, std::byte* own, DType dtype,
                                 ReduceOp op) {
  const int64_t elem_bytes = size_bytes(dtype);
  const int64_t most_elems =
      round_down(std::max(kNcclStagingBytes / size_, kPackBytes), kPackBytes) / elem_bytes;
  const int64_t slot_elems = std::min(most_elems, part_elems);
  std::byte* const staged = staging(slot_elems * elem_bytes * size_);
  for (int64_t begin = 0; begin < part_elems; begin += slot_elems) {
    const int64_t elems = std::min(slot_elems, part_elems - begin);
    std::byte* const first = x + begin * elem_bytes;
    exchange(first, part_elems * elem_bytes, elems * elem_bytes, staged, slot_elems * elem_bytes);
    const DeviceParts parts{.own = first + rank_ * part_elems * elem_bytes,
                            .staged = staged,
                            .slot_elems = slot_elems,
                            .rank = rank_,
                            .size = size_};
    combine_in_rank_order_on_device(stream_, dtype, op, own + begin * elem_bytes, parts, elems);
  }
}

/// Every other rank gets `bytes` of its part and sends as much of this rank's into its slot.
void NcclTransport::exchange(const std::byte* first, int64_t part_bytes, int64_t bytes,
                             std::byte* staged, int64_t slot_bytes) {
  const auto count = static_cast<size_t>(bytes);
  check(nccl().group_start(), "ncclGroupStart");
  for (int step = 1; step < size_; ++step) {
    const int to = (rank_ + step) % size_, from = (rank_ + size_ - step) % size_;
    check(nccl().send(first + to * part_bytes, count, ncclUint8, to, comm_, stream_), "ncclSend");
    check(nccl().recv(staged + from * slot_bytes, count, ncclUint8, from, comm_, stream_),
          "ncclRecv");
  }
  check(nccl().group_end(), "ncclGroupEnd");
}

void NcclTransport::gather(const std::byte* own, std::byte* x, int64_t own_bytes) {
  check(nccl().all_gather(own, x, static_cast<size_t>(own_bytes), ncclUint8, comm_, stream_),
        "ncclAllGather");
}

std::byte* NcclTransport::staging(int64_t bytes) const {
  LCKV_CHECK(bytes <= kNcclStagingBytes,
             format("{} staged in a group of {}", human_bytes(double(bytes)), size_));
  return static_cast<std::byte*>(staging_.raw());
}

std::string NcclTransport::failure() {
  const std::unique_lock lock(calls_, std::try_to_lock);
  if (!lock || aborted_ || comm_ == nullptr) return "";
  ncclResult_t met = ncclSuccess;
  const ncclResult_t asked = nccl().comm_get_async_error(comm_, &met);
  if (asked != ncclSuccess) met = asked;
  if (met == ncclSuccess || met == ncclInProgress) return "";
  return nccl().text(met, comm_);
}

void NcclTransport::abort() {
  const std::unique_lock lock(calls_, kCallTakes);
  if (aborted_.exchange(true) || comm_ == nullptr) return;
  const Deadline deadline("ncclCommAbort", kAbortTakes);
  (void)nccl().comm_abort(comm_);
}

void NcclTransport::check(ncclResult_t status, const char* function) const {
  nccl().check(status, function, comm_);
}

}  // namespace lckv::comm
