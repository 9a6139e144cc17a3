#include "lckv/checkpoint/background_saver.h"

#include <utility>

#include <sys/resource.h>
#include <unistd.h>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/stack_trace.h"
#include "lckv/base/timeline.h"
#include "lckv/checkpoint/state.h"
#include "lckv/comm/agreement.h"

namespace lckv::checkpoint {

BackgroundSaver::BackgroundSaver(std::unique_ptr<comm::Communicator> group)
    : group_(std::move(group)), thread_([this] { serve(); }) {}

BackgroundSaver::~BackgroundSaver() {
  {
    const std::lock_guard lock(mutex_);
    closed_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void BackgroundSaver::start(SaveJob job) {
  {
    const std::lock_guard lock(mutex_);
    LCKV_CHECK(!busy_ && !error_, "a save was started while another was under way");
    job_ = std::move(job);
    busy_ = true;
  }
  changed_.notify_all();
}

bool BackgroundSaver::busy() const {
  const std::lock_guard lock(mutex_);
  return busy_;
}

bool BackgroundSaver::failed() const {
  const std::lock_guard lock(mutex_);
  return error_ != nullptr;
}

void BackgroundSaver::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return !busy_; });
  if (error_) std::rethrow_exception(std::exchange(error_, nullptr));
}

std::optional<SaveDone> BackgroundSaver::take_done() {
  const std::lock_guard lock(mutex_);
  if (done_.empty()) return std::nullopt;
  const SaveDone oldest = done_.front();
  done_.pop_front();
  return oldest;
}

void BackgroundSaver::serve() {
  name_timeline_lane("save");
  const TracedThread traced("save");
  // Of this thread alone (Linux): those that train come first, and a save has time.
  constexpr int kLeastUrgent = 19;
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kLeastUrgent);
  for (;;) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return closed_ || job_; });
    if (!job_) return;
    std::optional<SaveJob> job = std::exchange(job_, std::nullopt);
    lock.unlock();
    std::exception_ptr error;
    try {
      carry_out(*job);
    } catch (...) {
      error = std::current_exception();
    }
    job.reset();  // before anybody is told that it has ended: `after` may hold what they destroy
    lock.lock();
    error_ = error;
    busy_ = false;
    changed_.notify_all();
  }
}

void BackgroundSaver::carry_out(const SaveJob& job) {
  const Stopwatch watch;
  save_state(*group_, job.run_folder, job.step, job.shards, job.trainer_state_json);
  {
    const std::lock_guard lock(mutex_);
    done_.push_back({job.step, watch.elapsed_s()});
  }
  comm::together(*group_, [&] {
    if (job.after && group_->rank() == 0) job.after();
  });
}

}  // namespace lckv::checkpoint
