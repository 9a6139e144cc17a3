#include "lckv/base/stop_signal.h"

#include <array>
#include <csignal>
#include <cstdint>
#include <ctime>
#include <optional>

#include "lckv/base/text.h"

namespace lckv {

namespace {

constexpr std::array kStopSignals = {SIGINT, SIGTERM, SIGUSR1};

/// Launchers and terminals may both deliver one Ctrl-C: only a SIGINT this much later is a second
/// one.
constexpr int64_t kSecondSigintAfter_ms = 1000;

// Lock-free, as a signal handler needs them.
std::atomic<bool> requested{false};
std::atomic<int> received{0};
std::atomic<int64_t> first_ms{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int64_t>::is_always_lock_free);

using Actions = std::array<struct sigaction, kStopSignals.size()>;
std::optional<Actions> before;  // what catch_stop_signals() found

int64_t now_ms() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);  // async-signal-safe
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

/// Whether this was the first.
bool note(int signal) {
  int none = 0;
  if (!received.compare_exchange_strong(none, signal)) return false;
  first_ms.store(now_ms());
  requested.store(true);
  return true;
}

void on_signal(int signal) {
  if (note(signal) || signal != SIGINT) return;
  const int64_t first = first_ms.load();  // 0: another thread is inside note()
  if (first == 0 || now_ms() - first <= kSecondSigintAfter_ms) return;
  std::signal(SIGINT, SIG_DFL);
  std::raise(SIGINT);
}

}  // namespace

void catch_stop_signals() {
  struct sigaction action = {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  sigemptyset(&action.sa_mask);
  Actions found;
  for (size_t i = 0; i < kStopSignals.size(); ++i) sigaction(kStopSignals[i], &action, &found[i]);
  if (!before) before = found;
}

void release_stop_signals() {
  if (!before) return;
  for (size_t i = 0; i < kStopSignals.size(); ++i) {
    sigaction(kStopSignals[i], &(*before)[i], nullptr);
  }
  before.reset();
  if (const int signal = received.load(); signal != 0) std::raise(signal);
}

const std::atomic<bool>& stop_requested() { return requested; }
int stop_signal() { return received.load(); }
void request_stop(int signal) { note(signal); }

std::string signal_name(int signal) {
  switch (signal) {
    case SIGINT:
      return "SIGINT";
    case SIGTERM:
      return "SIGTERM";
    case SIGUSR1:
      return "SIGUSR1";
    default:
      return format("signal {}", signal);
  }
}

}  // namespace lckv
