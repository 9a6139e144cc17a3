#pragma once

#include <string>

namespace lckv::cli {

/// Throws ConfigError when the file or folder that `option` names is "", as a variable of a script
/// that was never set.
void require_output(const std::string& output, const char* option = "--output");

}  // namespace lckv::cli
