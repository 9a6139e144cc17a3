#pragma once

#include "lckv/cli/program.h"

namespace lckv::cli {

/// What a command line asks for; --help and --version are commands that print. Throws Error
/// (kUsage) for one that is wrong.
Command parse(int argc, const char* const* argv);

}  // namespace lckv::cli
