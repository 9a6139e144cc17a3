#pragma once

#include <functional>

#include "lckv/comm/world.h"

namespace lckv::cli {

/// What the command line asked for; collective over the world for some commands.
using Command = std::function<ExitCode(comm::World&)>;

/// Joins the processes that a launcher started, runs the command, and ends as the README says of
/// failures: what all ranks agree on is said once, a rank that fails alone ends all. Returns the
/// process's exit code.
int run_in_world(const Command& command);

}  // namespace lckv::cli
