#include "lckv/comm/started_queue.h"

#include <sys/prctl.h>

#include "lckv/base/stack_trace.h"
#include "lckv/base/timeline.h"

namespace lckv::comm {

namespace {

/// Sleeps end this much late at most; the default of 50 us would double every pause.
constexpr unsigned long kTimerSlackNs = 1000;

}  // namespace

StartedQueue::StartedQueue(std::string lane)
    : lane_(std::move(lane)), thread_([this] { serve(); }) {}

StartedQueue::~StartedQueue() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

std::shared_future<void> StartedQueue::push(std::function<void()> work) {
  std::packaged_task<void()> task(std::move(work));
  std::shared_future<void> done = task.get_future().share();
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(task));
  }
  changed_.notify_one();
  return done;
}

void StartedQueue::serve() {
  name_timeline_lane(lane_.c_str());
  const TracedThread traced(lane_);
  prctl(PR_SET_TIMERSLACK, kTimerSlackNs);
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || !queue_.empty(); });
    if (queue_.empty()) return;
    std::packaged_task<void()> task = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    task();
  }
}

}  // namespace lckv::comm
