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

void NcclFailure::set(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (set_) return;
  text_ = text;
  set_ = true;
}

std::string NcclFailure::text() const {
  const std::lock_guard lock(mutex_);
  return text_;
}

NcclWatch::NcclWatch(const std::string& group, CollectiveSlot& slot, NcclTransport& transport,
                     Device device)
    : group_(group),
      name_(group + " over NCCL"),
      slot_(slot),
      transport_(transport),
      device_(device),
      thread_([this] { serve(); }) {}

NcclWatch::~NcclWatch() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void NcclWatch::follow(std::shared_ptr<const DeviceCall> call) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(call));
  }
  changed_.notify_one();
}

std::shared_ptr<NcclFailure> NcclWatch::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

void NcclWatch::share(std::shared_ptr<NcclFailure> failure) {
  const std::lock_guard lock(mutex_);
  failure_ = std::move(failure);
}

void NcclWatch::serve() {
  const TracedThread traced(name_);
  (void)cudaSetDevice(device_.index);
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    const std::shared_ptr<const DeviceCall> next = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    follow_to_its_end(*next);
  }
}

void NcclWatch::follow_to_its_end(const DeviceCall& call) {
  wait_until([&] { return call.ready.reached(); });
  slot_.begin(call.call, call.number);
  wait_until([&] { return call.queued && call.done.reached(); });
  slot_.end();
}

template <class Reached>
void NcclWatch::wait_until(const Reached& reached) {
  microseconds pause = kFirstPause;
  Clock::time_point looked = Clock::now();
  while (!reached()) {
    std::this_thread::sleep_for(pause);
    pause = std::min(pause + pause / 2, kLongestPause);
    if (Clock::now() - looked < kErrorsEvery) continue;
    looked = Clock::now();
    give_up_on_failure();
  }
}

void NcclWatch::give_up_on_failure() {
  const std::string met = transport_.failure();
  if (met.empty()) return;
  failure()->set(format("{}: {}", group_, met));
  transport_.abort();  // what waits for the device goes on, and meets the failure
}

}  // namespace lckv::comm
