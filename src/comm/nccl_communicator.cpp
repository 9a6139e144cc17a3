#include "lckv/comm/nccl_communicator.h"

#include <array>
#include <cstring>
#include <exception>

#include <cuda_runtime_api.h>

#include "lckv/base/text.h"
#include "lckv/comm/nccl_event.h"
#include "lckv/comm/nccl_library.h"
#include "lckv/comm/nccl_transport.h"
#include "lckv/comm/nccl_watch.h"

namespace lckv::comm {

namespace {

cudaStream_t native(const Stream& stream) { return static_cast<cudaStream_t>(stream.native()); }

bool is_recorded(const Stream& stream) {
  cudaStreamCaptureStatus status = cudaStreamCaptureStatusNone;
  const cudaError_t asked = cudaStreamIsCapturing(native(stream), &status);
  if (asked != cudaSuccess) {
    throw CudaError(format("cudaStreamIsCapturing: {}", cudaGetErrorString(asked)));
  }
  return status != cudaStreamCaptureStatusNone;
}

/// What a Pending needs also when the communicator is gone.
struct DeviceLane {
  DeviceLane(const std::string& name, const GroupIdentity& group, const ncclUniqueId& id, int rank,
             int size, Device device)
      : transport(id, rank, size, device), watch(name + " over NCCL", group, transport, device) {}

  NcclTransport transport;
  NcclWatch watch;
};

std::string place(const std::string& group, const Collective& call) {
  return format("{}: {} \"{}\" over NCCL", group, comm::name(call.kind), call.label);
}

/// NCCL may have failed in an earlier call, beside the host.
void throw_if_failed(const DeviceLane& lane, const std::string& group, const Collective& call) {
  if (!lane.watch.failed()) return;
  throw CommError(format("{}: {}", place(group, call), lane.watch.failure()));
}

class NcclCommunicator final : public MpiCommunicator {
 public:
  NcclCommunicator(const std::string& name, const GroupIdentity& identity, MpiComm comm,
                   Device device)
      : MpiCommunicator(name, identity, std::move(comm)), device_(device) {
    lane_ = std::make_shared<DeviceLane>(name, identity, agreed_id(), rank(), size(), device);
  }
  ~NcclCommunicator() override {
    if (lane_ && std::uncaught_exceptions() > 0) lane_->transport.abort();
  }

 private:
  void run(Stream& stream, const Collective& call) override {
    throw_if_failed(*lane_, name(), call);
    if (!on_device(call)) return MpiCommunicator::run(stream, call);
    queue(stream, call).hold(native(stream));
  }

  Pending start(Stream& stream, const Collective& call) override {
    throw_if_failed(*lane_, name(), call);
    if (!on_device(call)) return MpiCommunicator::start(stream, call);
    const NcclEvent done = queue(stream, call);
    const auto wait = [lane = lane_, group = name(), call, done, stream] {
      throw_if_failed(*lane, group, call);
      done.hold(native(stream));
    };
    const auto release = [lane = lane_, done] {
      if (std::uncaught_exceptions() > 0) lane->transport.abort();
      done.synchronize();
    };
    return Pending(wait, release);
  }

  /// Rank 0's, over MPI.
  ncclUniqueId agreed_id() {
    ncclUniqueId id{};
    if (rank() == 0) nccl().check(nccl().get_unique_id(&id), "ncclGetUniqueId");
    std::array<int64_t, sizeof(id) / sizeof(int64_t)> words{};
    static_assert(sizeof(words) == sizeof(id));
    std::memcpy(words.data(), &id, sizeof(id));
    Stream host;
    const View view(words.data(), DType::kI64, {static_cast<int64_t>(words.size())});
    MpiCommunicator::run(
        host,
        {.kind = CollectiveKind::kBroadcast, .x = view, .own = {}, .root = 0, .label = "nccl id"});
    std::memcpy(&id, words.data(), sizeof(id));
    return id;
  }

  /// Reached when the call is through, which comes after what the caller's stream holds now.
  NcclEvent queue(Stream& stream, const Collective& call) {
    LCKV_CHECK(stream.device() == device_ && call.x.device() == device_,
               format("{} on a stream of {} in a group on {}", call.x.describe(),
                      lckv::name(stream.device()), lckv::name(device_)));
    const cudaStream_t own = lane_->transport.stream();
    NcclEvent ready, done;
    ready.record(native(stream));
    ready.hold(own);
    try {
      lane_->transport.queue(call);
    } catch (const CommError& error) {
      throw CommError(format("{}: {}", place(name(), call), error.what()));
    }
    done.record(own);
    if (!is_recorded(stream)) lane_->watch.follow(call, number_++, done);
    return done;
  }

  const Device device_;
  std::shared_ptr<DeviceLane> lane_;
  int64_t number_ = 0;  // of the next call, equal on all ranks
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(const std::string& name,
                                                     const GroupIdentity& identity, MpiComm comm,
                                                     Device device) {
  if (comm.size() == 1) return make_alone(name);
  return std::make_unique<NcclCommunicator>(name, identity, std::move(comm), device);
}

std::string bus_id(Device device) {
  std::array<char, 32> text{};
  const cudaError_t status =
      cudaDeviceGetPCIBusId(text.data(), static_cast<int>(text.size()), device.index);
  if (status == cudaSuccess) return text.data();
  throw CudaError(format("{}: {}", lckv::name(device), cudaGetErrorString(status)));
}

}  // namespace lckv::comm
