#pragma once

#include <atomic>

namespace lckv {

/// From now on SIGINT, SIGTERM and SIGUSR1 set stop_requested() instead of ending the process; a
/// SIGINT more than a second after one of them ends it at once. Only for commands that poll
/// stop_requested().
void catch_stop_signals();

/// Set by the signals above; long work polls it at safe points.
const std::atomic<bool>& stop_requested();

/// The signal that set it: SIGINT, SIGTERM or SIGUSR1; 0 before.
int stop_signal();

}  // namespace lckv
