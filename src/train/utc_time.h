#pragma once

#include <chrono>
#include <string>

namespace lckv::train {

/// ISO 8601 in UTC, "2026-11-26T10:55:36.123Z".
std::string utc_text(std::chrono::system_clock::time_point time);

}  // namespace lckv::train
