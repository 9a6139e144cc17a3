#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/finding.h"

namespace lckv::doctor {

/// Aligned columns, one line each, `action` below what needs one; last whether lckv can train here.
std::string to_text(const std::vector<Finding>& findings);
/// {"can_train": ..., "findings": [{"group", "name", "level", "needed", "value", "action",
/// "numbers": {...}}, ...]}
std::string to_json(const std::vector<Finding>& findings);

}  // namespace lckv::doctor
