#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/nodes_verdict.h"

namespace lckv::doctor {

/// A table by rank, one by node, and the faults, or that there are none.
std::string to_text(const NodesFacts& facts, const std::vector<std::string>& faults);
/// {"ok", "faults": [...], "limits": {...}, "folder", "bus_bytes_per_s", "over_nccl", "ranks":
/// [...]}
std::string to_json(const NodesFacts& facts, const NodeLimits& limits,
                    const std::vector<std::string>& faults);

}  // namespace lckv::doctor
