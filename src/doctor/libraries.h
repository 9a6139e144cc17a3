#pragma once

#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

/// The libraries that lckv is linked with, and their versions here.
std::vector<Finding> judge_libraries();

}  // namespace lckv::doctor
