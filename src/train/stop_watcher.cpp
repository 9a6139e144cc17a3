#include "lckv/train/stop_watcher.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "lckv/base/log.h"
#include "lckv/base/process_age.h"
#include "lckv/base/stop_signal.h"
#include "lckv/base/text.h"

namespace lckv::train {

namespace {

constexpr double kTick_s = 0.05;

}  // namespace

StopWatcher::StopWatcher(const std::atomic<bool>& asked, Options options)
    : asked_(asked), options_(std::move(options)) {
  if (!look()) thread_ = std::thread([this] { look_until_the_end(); });
}

StopWatcher::~StopWatcher() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  ends_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void StopWatcher::stop_elsewhere(int rank) { note(format("rank {} was told to stop", rank)); }

std::string StopWatcher::reason() const {
  const std::lock_guard lock(mutex_);
  return reason_;
}

bool StopWatcher::note(const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (!reason_.empty()) return false;
  reason_ = reason;
  stop_.store(true);
  return true;
}

void StopWatcher::say(const std::string& noticed) const {
  log_warning(format("{}{}{} noticed while {}: {}", options_.who, options_.who.empty() ? "" : ": ",
                     noticed, options_.phase(), options_.then));
}

bool StopWatcher::look() {
  if (asked_.load()) {
    const int signal = stop_signal();
    if (note(signal == 0 ? "a request" : "signal " + signal_name(signal))) {
      say(signal == 0 ? "stop request" : signal_name(signal));
    }
  } else if (options_.time_limit_s > 0 && process_age_s() >= options_.time_limit_s) {
    const std::string limit = format("time limit of {:g} s", options_.time_limit_s);
    if (note(limit)) say(limit);
  }
  return stop_.load();
}

void StopWatcher::look_until_the_end() {
  while (!look()) {
    std::unique_lock lock(mutex_);
    if (ends_.wait_for(lock, std::chrono::duration<double>(kTick_s), [&] { return ending_; })) {
      return;
    }
  }
}

}  // namespace lckv::train
