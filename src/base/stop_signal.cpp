#include "lckv/base/stop_signal.h"

#include <csignal>
#include <cstdint>
#include <ctime>

namespace lckv {

namespace {

std::atomic<bool> requested{false};

/// Launchers and terminals may both deliver one Ctrl-C: only a SIGINT this much later is a second
/// one.
constexpr int64_t kSecondSigintAfter_ms = 1000;
volatile std::sig_atomic_t received = 0;
std::atomic<int64_t> first_ms{0};

int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // async-signal-safe
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

void on_signal(int signal) {
  if (!requested.load()) {
    first_ms.store(now_ms());
  } else if (signal == SIGINT && now_ms() - first_ms.load() > kSecondSigintAfter_ms) {
    std::signal(SIGINT, SIG_DFL);
    std::raise(SIGINT);
    return;
  }
  received = signal;
  requested.store(true);
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  sigemptyset(&action.sa_mask);
  for (const int signal : {SIGINT, SIGTERM, SIGUSR1}) sigaction(signal, &action, nullptr);
}

const std::atomic<bool>& stop_requested() { return requested; }
int stop_signal() { return received; }

}  // namespace lckv
