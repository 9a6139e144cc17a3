#pragma once

#include <functional>
#include <string>

#include "lckv/comm/world.h"

namespace lckv::cli {

/// What a command line asked for.
struct Command {
  std::string name;  // "train", "bench comm", "--help"
  // collective over the world for some commands
  std::function<ExitCode(comm::World&)> run;
};

/// Joins the processes that a launcher started, parses on each, runs the command, and ends as the
/// README says of failures: what all ranks agree on is said once, a rank that fails alone ends all.
/// Ranks that were given different commands are refused. Returns the process's exit code.
///
///   parse   throws Error (kUsage) for a command line that is wrong
int run_in_world(const std::function<Command()>& parse);

}  // namespace lckv::cli
