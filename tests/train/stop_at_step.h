#pragma once

#include <atomic>
#include <chrono>
#include <fstream>
#include <string>
#include <thread>

#include <pthread.h>
#include <signal.h>
#include <time.h>

#include "lckv/base/text.h"

namespace lckv::test {

/// Asks a run that its constructor's thread is about to carry out to stop, a moment after the
/// metrics tell a step: so that it ends inside the next step, or the validation in between. That
/// thread is held up until the request has been noticed.
class StopAtStep {
 public:
  StopAtStep(const std::string& output, int64_t step, std::chrono::microseconds after)
      : path_(output + "/metrics.jsonl"),
        mark_(format("{{\"step\":{},\"loss\"", step)),
        after_(after),
        trainer_(pthread_self()) {
    struct sigaction action = {};
    action.sa_handler = hold_up;
    action.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &action, nullptr);
    thread_ = std::jthread([this](const std::stop_token& end) { watch(end); });
  }

  const std::atomic<bool>& asked() const { return asked_; }

 private:
  /// Longer than the run takes to look at the request.
  static void hold_up(int) {
    constexpr timespec kHoldUp = {0, 80'000'000};
    nanosleep(&kHoldUp, nullptr);
  }

  bool step_is_told() const {
    std::ifstream file(path_);
    for (std::string line; std::getline(file, line);) {
      if (line.starts_with(mark_)) return true;
    }
    return false;
  }

  void watch(const std::stop_token& end) {
    while (!step_is_told()) {
      if (end.stop_requested()) return;
      std::this_thread::sleep_for(std::chrono::microseconds(200));
    }
    std::this_thread::sleep_for(after_);
    asked_ = true;
    pthread_kill(trainer_, SIGUSR1);
  }

  std::string path_, mark_;
  std::chrono::microseconds after_;
  pthread_t trainer_;
  std::atomic<bool> asked_{false};
  std::jthread thread_;  // the last: it uses the others
};

}  // namespace lckv::test
