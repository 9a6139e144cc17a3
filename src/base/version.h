#pragma once

#include <string>

namespace lckv {

/// "0.1.0 (6935bc9)": the version, and the commit it was built from where that was known.
std::string program_version();

}  // namespace lckv
