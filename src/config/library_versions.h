#pragma once

#include <string>

namespace lckv::config {

/// "0.7.0": the yaml-cpp that lckv was built with; it does not tell at run time.
std::string yaml_cpp_version();

}  // namespace lckv::config
