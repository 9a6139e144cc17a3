#include "lckv/comm/nccl_communicator.h"

#include <array>
#include <cstring>
#include <exception>

#include <cuda_runtime_api.h>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/comm/device_times.h"
#include "lckv/comm/nccl_event.h"
#include "lckv/comm/nccl_library.h"
#include "lckv/comm/nccl_times.h"
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
  DeviceLane(const std::string& name, const GroupIdentity& group, int rank, int size, Device device)
      : slot(group, Lane::kDevice),
        transport(rank, size, device),
        watch(name, slot, transport, device) {}

  CollectiveSlot slot;
  NcclTransport transport;
  NcclWatch watch;
};

/// The main thread carries out a call of the device's lane.
class MainInCall {
 public:
  MainInCall(CollectiveSlot& slot, const Collective& call, int64_t number)
      : slot_(slot), waits_(slot) {
    slot_.begin(call, number);
  }
  ~MainInCall() { slot_.end(); }
  MainInCall(const MainInCall&) = delete;
  MainInCall& operator=(const MainInCall&) = delete;

 private:
  CollectiveSlot& slot_;
  const CollectiveSlot::MainWaits waits_;
};

/// Says at its end that no more is queued for a call.
class Queuing {
 public:
  explicit Queuing(DeviceCall& call) : call_(call) {}
  ~Queuing() { call_.queued = true; }
  Queuing(const Queuing&) = delete;
  Queuing& operator=(const Queuing&) = delete;

 private:
  DeviceCall& call_;
};

std::string place(const std::string& group, const Collective& call) {
  return format("{}: {} \"{}\" over NCCL", group, comm::name(call.kind), call.label);
}

/// NCCL may have failed in an earlier call, beside the host.
void throw_if_failed(const DeviceLane& lane, const std::string& group, const Collective& call) {
  const auto failure = lane.watch.failure();
  if (failure->is_set()) throw CommError(format("{}: {}", place(group, call), failure->text()));
}

/// A call that the transport has.
struct QueuedCall {
  NcclEvent done;
  std::shared_ptr<TimedCall> timed;  // or none

  /// What is queued on `stream` from now on comes after it.
  void hold(cudaStream_t stream) const {
    if (timed) timed->before.record(stream);
    done.hold(stream);
    if (!timed) return;
    timed->after.record(stream);
    timed->waited = true;
  }
};

class NcclCommunicator final : public MpiCommunicator {
 public:
  NcclCommunicator(const std::string& name, const GroupIdentity& identity, MpiComm comm,
                   Device device)
      : MpiCommunicator(name, identity, std::move(comm)), identity_(identity), device_(device) {}
  ~NcclCommunicator() override {
    if (lane_ && std::uncaught_exceptions() > 0) lane_->transport.abort();
  }

  /// What this rank needs by itself.
  void prepare() {
    const Nccl& library = nccl();
    lane_ = std::make_shared<DeviceLane>(name(), identity_, rank(), size(), device_);
    if (rank() == 0) library.check(library.get_unique_id(&id_), "ncclGetUniqueId");
  }
  /// Rank 0's, over MPI.
  void agree_on_id() {
    std::array<int64_t, sizeof(id_) / sizeof(int64_t)> words{};
    static_assert(sizeof(words) == sizeof(id_));
    std::memcpy(words.data(), &id_, sizeof(id_));
    Stream host;
    const View view(words.data(), DType::kI64, {static_cast<int64_t>(words.size())});
    MpiCommunicator::run(
        host,
        {.kind = CollectiveKind::kBroadcast, .x = view, .own = {}, .root = 0, .label = "nccl id"});
    std::memcpy(&id_, words.data(), sizeof(id_));
  }
  /// Collective over NCCL, and a call in the log, since it waits for the others.
  void connect() {
    const MainInCall logged(
        lane_->slot,
        {.kind = CollectiveKind::kBarrier, .x = {}, .own = {}, .label = "nccl connections"},
        number_++);
    try {
      lane_->transport.connect(id_);
    } catch (const CommError& error) {
      log_error(format("{}: {}", name(), error.what()));  // others may never come to agree on it
      throw;
    }
  }

  std::map<std::string, DeviceTimes> take_times() { return times_.take(); }
  NcclWatch& watch() { return lane_->watch; }

 private:
  void run(Stream& stream, const Collective& call) override {
    throw_if_failed(*lane_, name(), call);
    if (!on_device(call)) return MpiCommunicator::run(stream, call);
    queue(stream, call, Lane::kBlocking).hold(native(stream));
  }

  Pending start(Stream& stream, const Collective& call) override {
    throw_if_failed(*lane_, name(), call);
    if (!on_device(call)) return MpiCommunicator::start(stream, call);
    const QueuedCall queued = queue(stream, call, Lane::kStarted);
    const auto wait = [lane = lane_, group = name(), call, queued, stream] {
      throw_if_failed(*lane, group, call);
      queued.hold(native(stream));
    };
    const auto release = [lane = lane_, done = queued.done] {
      if (std::uncaught_exceptions() > 0) lane->transport.abort();
      done.synchronize();
    };
    return Pending(wait, release);
  }

  /// Runs after what the caller's stream holds now.
  QueuedCall queue(Stream& stream, const Collective& call, Lane lane) {
    LCKV_CHECK(stream.device() == device_ && call.x.device() == device_,
               format("{} on a stream of {} in a group on {}", call.x.describe(),
                      lckv::name(stream.device()), lckv::name(device_)));
    const bool recorded = is_recorded(stream);
    const auto on_way = std::make_shared<DeviceCall>(call, recorded ? -1 : number_++);
    on_way->ready.record(native(stream));
    if (!recorded) lane_->watch.follow(on_way);
    const Queuing queuing(*on_way);
    const cudaStream_t own = lane_->transport.stream();
    const auto timed = recorded ? nullptr : times_.next(call.label, lane == Lane::kStarted);
    on_way->ready.hold(own);
    if (timed) timed->began.record(own);
    try {
      lane_->transport.queue(call);
    } catch (const CommError& error) {
      throw CommError(format("{}: {}", place(name(), call), error.what()));
    }
    if (timed) timed->ended.record(own);
    on_way->done.record(own);
    return {on_way->done, timed};
  }

  const GroupIdentity identity_;
  const Device device_;
  ncclUniqueId id_{};
  std::shared_ptr<DeviceLane> lane_;
  NcclTimes times_;
  int64_t number_ = 0;  // of the next call, equal on all ranks
};

}  // namespace

std::unique_ptr<Communicator> make_nccl_communicator(World& world, const std::string& name,
                                                     const GroupIdentity& identity, MpiComm comm,
                                                     Device device) {
  std::unique_ptr<NcclCommunicator> made;
  if (comm.size() > 1) {
    made = std::make_unique<NcclCommunicator>(name, identity, std::move(comm), device);
  }
  const auto in_group = [&](void (NcclCommunicator::*stage)()) {
    if (made) (made.get()->*stage)();
  };
  together(world, [&] { in_group(&NcclCommunicator::prepare); });
  in_group(&NcclCommunicator::agree_on_id);
  together(world, [&] { in_group(&NcclCommunicator::connect); });
  if (!made) return make_alone(name);
  return made;
}

std::map<std::string, DeviceTimes> take_device_times(Communicator& group) {
  auto* const over_nccl = dynamic_cast<NcclCommunicator*>(&group);
  return over_nccl == nullptr ? std::map<std::string, DeviceTimes>() : over_nccl->take_times();
}

void fail_together(const std::vector<Communicator*>& groups) {
  std::shared_ptr<NcclFailure> failure;
  for (Communicator* group : groups) {
    auto* const over_nccl = dynamic_cast<NcclCommunicator*>(group);
    if (over_nccl == nullptr) continue;
    if (!failure) failure = over_nccl->watch().failure();
    over_nccl->watch().share(failure);
  }
}

std::string nccl_version() { return nccl().version_text(); }

std::string bus_id(Device device) {
  std::array<char, 32> text{};
  const cudaError_t status =
      cudaDeviceGetPCIBusId(text.data(), static_cast<int>(text.size()), device.index);
  if (status == cudaSuccess) return text.data();
  throw CudaError(format("{}: {}", lckv::name(device), cudaGetErrorString(status)));
}

}  // namespace lckv::comm
