#include "lckv/comm/communicator.h"

#include <cstring>

#include "lckv/base/text.h"
#include "lckv/base/timeline.h"
#include "lckv/comm/collective_checks.h"
#include "lckv/tensor/transfer.h"

namespace lckv::comm {

namespace {

void copy(Stream& stream, View to, const ConstView& from) {
  if (to.raw() == from.raw() || from.bytes() == 0) return;
  if (to.device().kind == DeviceKind::kCpu) {
    std::memcpy(to.raw(), from.raw(), static_cast<size_t>(from.bytes()));
  } else {
    transfer(stream, to, from);
  }
}

/// Collective carries one kind of view; all_gather does not write this one.
View writable(const ConstView& view) {
  if (!view) return {};
  if (!view.is_contiguous()) throw ShapeError("own " + view.describe() + " is not contiguous");
  return {const_cast<void*>(view.raw()), view.dtype(), view.shape(), view.device()};
}

}  // namespace

const char* name(CollectiveKind kind) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return "all_reduce";
    case CollectiveKind::kReduceScatter:
      return "reduce_scatter";
    case CollectiveKind::kAllGather:
      return "all_gather";
    case CollectiveKind::kBroadcast:
      return "broadcast";
    case CollectiveKind::kBarrier:
      return "barrier";
  }
  throw InternalError("unknown collective");
}

Pending::~Pending() {
  if (release_) release_();
}

void Pending::finish() {
  release_ = {};
  if (const auto wait = std::exchange(wait_, {})) wait();
}

Communicator::Communicator(std::string name, int rank, int size)
    : name_(std::move(name)), rank_(rank), size_(size) {
  LCKV_CHECK(0 <= rank && rank < size, format("{}: rank {} of {}", name_, rank, size));
}
Communicator::~Communicator() = default;

void Communicator::all_reduce(Stream& stream, View x, ReduceOp op, const char* label) {
  run_checked(stream,
              {.kind = CollectiveKind::kAllReduce, .x = x, .own = {}, .op = op, .label = label});
}
void Communicator::reduce_scatter(Stream& stream, View own, View x, const char* label) {
  run_checked(stream, {.kind = CollectiveKind::kReduceScatter, .x = x, .own = own, .label = label});
}
void Communicator::all_gather(Stream& stream, View x, ConstView own, const char* label) {
  run_checked(stream,
              {.kind = CollectiveKind::kAllGather, .x = x, .own = writable(own), .label = label});
}
void Communicator::broadcast(Stream& stream, View x, int root, const char* label) {
  run_checked(
      stream,
      {.kind = CollectiveKind::kBroadcast, .x = x, .own = {}, .root = root, .label = label});
}
void Communicator::barrier(const char* label) {
  Stream host;
  run_checked(host, {.kind = CollectiveKind::kBarrier, .x = {}, .own = {}, .label = label});
}

Pending Communicator::start_all_reduce(Stream& stream, View x, ReduceOp op, const char* label) {
  return start_checked(
      stream, {.kind = CollectiveKind::kAllReduce, .x = x, .own = {}, .op = op, .label = label});
}
Pending Communicator::start_reduce_scatter(Stream& stream, View own, View x, const char* label) {
  return start_checked(
      stream, {.kind = CollectiveKind::kReduceScatter, .x = x, .own = own, .label = label});
}
Pending Communicator::start_all_gather(Stream& stream, View x, ConstView own, const char* label) {
  return start_checked(
      stream, {.kind = CollectiveKind::kAllGather, .x = x, .own = writable(own), .label = label});
}

Pending Communicator::start(Stream& stream, const Collective& call) {
  const TimelineScope scope(call.label, "collective");
  run(stream, call);
  return {};
}

void Communicator::run_checked(Stream& stream, const Collective& call) {
  check_collective(*this, call);
  if (!settled_alone(stream, call)) {
    const TimelineScope scope(call.label, "collective");
    run(stream, call);
  }
  count(call);
}

Pending Communicator::start_checked(Stream& stream, const Collective& call) {
  check_collective(*this, call);
  Pending pending;
  if (!settled_alone(stream, call)) pending = start(stream, call);
  count(call);
  return pending;
}

bool Communicator::settled_alone(Stream& stream, const Collective& call) {
  if (size_ > 1) return false;
  if (!call.x || call.x.device().kind == DeviceKind::kCpu) stream.synchronize();
  if (call.kind == CollectiveKind::kReduceScatter) copy(stream, call.own, call.x);
  if (call.kind == CollectiveKind::kAllGather) copy(stream, call.x, call.own);
  return true;
}

void Communicator::count(const Collective& call) {
  const std::lock_guard lock(mutex_);
  Traffic& traffic = traffic_[call.label];
  traffic.kind = call.kind;
  ++traffic.calls;
  traffic.sent_bytes += comm::sent_bytes(call.kind, call.x ? call.x.bytes() : 0, size_);
}

std::map<std::string, Traffic> Communicator::traffic() const {
  const std::lock_guard lock(mutex_);
  return traffic_;
}

void Communicator::reset_traffic() {
  const std::lock_guard lock(mutex_);
  traffic_.clear();
}

int64_t sent_bytes(CollectiveKind kind, int64_t bytes, int size) {
  switch (kind) {
    case CollectiveKind::kAllReduce:
      return 2 * bytes * (size - 1) / size;
    case CollectiveKind::kReduceScatter:
    case CollectiveKind::kAllGather:
    case CollectiveKind::kBroadcast:
      return bytes * (size - 1) / size;
    case CollectiveKind::kBarrier:
      return 0;
  }
  throw InternalError("unknown collective");
}

}  // namespace lckv::comm
