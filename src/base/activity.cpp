#include "lckv/base/activity.h"

#include <atomic>
#include <chrono>

namespace lckv {

namespace {

int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

std::atomic<const char*> phase_now{"starting"};
std::atomic<int64_t> progress_count{0};
std::atomic<int64_t> progressed_ns{now_ns()};

}  // namespace

void note_activity(const char* phase) {
  phase_now.store(phase, std::memory_order_relaxed);
  note_progress();
}

void note_progress() {
  progress_count.fetch_add(1, std::memory_order_relaxed);
  progressed_ns.store(now_ns(), std::memory_order_relaxed);
}

ActivityScope::ActivityScope(const char* phase) : before_(phase_now.load()) {
  note_activity(phase);
}
ActivityScope::~ActivityScope() { note_activity(before_); }

Activity current_activity() {
  return {.phase = phase_now.load(std::memory_order_relaxed),
          .idle_s = static_cast<double>(now_ns() - progressed_ns.load()) * 1e-9,
          .progress = progress_count.load(std::memory_order_relaxed)};
}

}  // namespace lckv
