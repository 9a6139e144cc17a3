#include "lckv/comm/nccl_watch.h"

#include <algorithm>
#include <chrono>

#include <cuda_runtime_api.h>

#include "lckv/base/stack_trace.h"
#include "lckv/base/text.h"

namespace lckv::comm {

namespace {

using std::chrono::microseconds;
using Clock = std::chrono::steady_clock;

/// Between two looks at a call: soon at first, then seldom.
constexpr microseconds kFirstPause{100}, kLongestPause{2000};
constexpr auto kErrorsEvery = std::chrono::milliseconds(100);

}  // namespace

NcclWatch::NcclWatch(const std::string& name, const GroupIdentity& group, NcclTransport& transport,
                     Device device)
    : name_(name),
      transport_(transport),
      device_(device),
      slot_(group, Lane::kDevice),
      thread_([this] { serve(); }) {}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void NcclWatch::follow(const Collective& call, int64_t number, NcclEvent done) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back({call, number, std::move(done)});
  }
  changed_.notify_one();
}

std::string NcclWatch::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void NcclWatch::serve() {
  const TracedThread traced(name_);
  (void)cudaSetDevice(device_.index);
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const Followed next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    follow_to_its_end(next);
  }
}

void NcclWatch::follow_to_its_end(const Followed& followed) {
  slot_.begin(followed.call, followed.number);
  microseconds pause = kFirstPause;
  Clock::time_point looked = Clock::now();
  while (!followed.done.reached()) {
    std::this_thread::sleep_for(pause);
    pause = std::min(pause + pause / 2, kLongestPause);
    if (Clock::now() - looked < kErrorsEvery) continue;
    looked = Clock::now();
    give_up_on_failure();
  }
  slot_.end();
}

void NcclWatch::give_up_on_failure() {
  const std::string failure = transport_.failure();
  if (failure.empty()) return;
  {
    const std::lock_guard lock(mutex_);
    failure_ = failure;
  }
  failed_ = true;
  transport_.abort();  // what waits for the device goes on, and meets the failure
}

}  // namespace lckv::comm
