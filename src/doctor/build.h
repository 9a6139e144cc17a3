#pragma once

#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

/// The program itself: version, commit, how it was built.
std::vector<Finding> judge_build();

}  // namespace lckv::doctor
