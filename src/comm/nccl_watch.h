#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "lckv/comm/collective_log.h"
#include "lckv/comm/nccl_event.h"
#include "lckv/comm/nccl_transport.h"

namespace lckv::comm {

/// One call on its way through a device.
struct DeviceCall {
  DeviceCall(const Collective& c, int64_t n) : call(c), number(n) {}

  Collective call;
  int64_t number;
  NcclEvent ready;  // the caller's stream has come to it
  NcclEvent done;   // it is through
  /// Nothing more is queued for it: NCCL has it, with `done` behind it, or has refused it.
  std::atomic<bool> queued{false};
};

/// What NCCL has failed at, for all groups that stand and fall together. From any thread.
class NcclFailure {
 public:
  /// The first one stays.
  void set(const std::string& text);
  bool is_set() const { return set_; }
  /// "dp: unhandled system error: ..."
  std::string text() const;

 private:
  mutable std::mutex mutex_;
  std::string text_;
  std::atomic<bool> set_{false};
};

/// Follows what a transport is given, from a thread of its own: tells the log of collectives when
/// the device gets to a call and when it is through, also where the host waits inside NCCL, and
/// gives the transport up when NCCL meets an error, so that no rank waits in a kernel for one that
/// is gone.
class NcclWatch {
 public:
  /// `slot` and `transport` outlive it. `name`: of the thread, in timelines and stacks.
  NcclWatch(const std::string& name, CollectiveSlot& slot, NcclTransport& transport, Device device);
  /// Returns when everything followed is through.
  ~NcclWatch();
  NcclWatch(const NcclWatch&) = delete;
  NcclWatch& operator=(const NcclWatch&) = delete;

  /// The next call, whose `ready` has been recorded, before the transport gets it.
  void follow(std::shared_ptr<const DeviceCall> call);
  /// Set before the transport is given up, hence before anything goes on that waited for it.
  std::shared_ptr<NcclFailure> failure() const;
  /// Shares that of other groups, before anything is followed.
  void share(std::shared_ptr<NcclFailure> failure);

 private:
  void serve();
  void follow_to_its_end(const DeviceCall& call);
  template <class Reached>
  void wait_until(const Reached& reached);
  void give_up_on_failure();

  const std::string group_;
  const std::string name_;  // of the thread, in stacks
  CollectiveSlot& slot_;
  NcclTransport& transport_;
  const Device device_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::shared_ptr<const DeviceCall>> queue_;
  std::shared_ptr<NcclFailure> failure_ = std::make_shared<NcclFailure>();
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace lckv::comm
