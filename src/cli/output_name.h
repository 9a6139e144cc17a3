#pragma once

#include <string>

namespace lckv::cli {

/// Throws ConfigError when what --output names is "", as a variable of a script that was never set.
void require_output(const std::string& output);

}  // namespace lckv::cli
