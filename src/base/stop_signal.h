#pragma once

#include <atomic>
#include <string>

namespace lckv {

/// From now on SIGINT, SIGTERM and SIGUSR1 set stop_requested() instead of ending the process; a
/// SIGINT more than a second after one of them ends it at once. Called again it puts its handlers
/// back where a library has replaced them. System calls that a signal interrupts go on.
void catch_stop_signals();

/// Gives the signals the effect back that they had before catch_stop_signals(): for commands that
/// do not poll stop_requested(). One that came meanwhile has its effect now.
void release_stop_signals();

/// Set by the signals above and by request_stop(); long work polls it at safe points.
const std::atomic<bool>& stop_requested();

/// The signal that set it first: SIGINT, SIGTERM or SIGUSR1; 0 before.
int stop_signal();

/// Does what the arrival of `signal` here would do (a second SIGINT excepted), for one that another
/// process received. From any thread.
void request_stop(int signal);

/// "SIGINT", "SIGTERM" or "SIGUSR1"; of any other "signal 12".
std::string signal_name(int signal);

}  // namespace lckv
