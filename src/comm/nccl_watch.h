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

/// Follows what a transport has queued, from a thread of its own: tells the log of collectives when
/// the device gets to a call and when it is through, and gives the transport up when NCCL meets an
/// error, so that no rank waits in a kernel for one that is gone.
class NcclWatch {
 public:
  /// `transport` outlives it. `name`: of the thread, in timelines and stacks.
  NcclWatch(const std::string& name, const GroupIdentity& group, NcclTransport& transport,
            Device device);
  /// Returns when everything followed is through.
  ~NcclWatch();
  NcclWatch(const NcclWatch&) = delete;
  NcclWatch& operator=(const NcclWatch&) = delete;

  /// The next call, which is through when `done` is reached.
  void follow(const Collective& call, int64_t number, NcclEvent done);
  /// Whether the transport was given up, and why.
  bool failed() const { return failed_; }
  std::string failure() const;

 private:
  struct Followed {
    Collective call;
    int64_t number;
    NcclEvent done;
  };

  void serve();
  void follow_to_its_end(const Followed& followed);
  void give_up_on_failure();

  const std::string name_;
  NcclTransport& transport_;
  const Device device_;
  CollectiveSlot slot_;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Followed> queue_;
  std::string failure_;
  std::atomic<bool> failed_{false};
  bool closed_ = false;
  std::thread thread_;
};

}  // namespace lckv::comm
