#include "lckv/base/stop_signal.h"

#include <csignal>

namespace lckv {

namespace {

std::atomic<bool> requested{false};
volatile std::sig_atomic_t received = 0;

void on_signal(int signal) {
  if (signal == SIGINT && requested.load()) {
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
