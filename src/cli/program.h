#pragma once

#include <functional>
#include <string>

#include "lckv/comm/world.h"

namespace lckv::cli {

/// What SIGINT, SIGTERM and SIGUSR1 do to a command.
enum class StopSignals {
  kEnd,    // their default: the process ends
  kPolled  // they set stop_requested(), which the command polls
};

/// What a command line asked for.
struct Command {
  std::string name;  // "train", "bench comm", "--help"
  // collective over the world for some commands
  std::function<ExitCode(comm::World&)> run;
  StopSignals stop_signals = StopSignals::kEnd;
};

/// Joins the processes that a launcher started, parses on each, runs the command, and ends as the
/// README says of failures: what all ranks agree on is said once, a rank that fails alone ends all.
/// Ranks that were given different commands are refused. Returns the process's exit code.
///
/// Stop signals are caught from the first line on, since joining takes half a second in which a
/// signal must not end what is to be continued. A command that does not poll them is told late: one
/// that came before has its default effect once the command line is parsed. Where joining or
/// parsing fails, that is reported, signal or not.
///
///   parse   throws Error (kUsage) for a command line that is wrong
int run_in_world(const std::function<Command()>& parse);

}  // namespace lckv::cli
