#pragma once

#include <cstdint>
#include <functional>
#include <string>

namespace lckv::config {

/// "2 or 4 would fit": of the divisors of `extent` that `fits` accepts, the nearest ones below and
/// above `value`, which is none of them. extent >= 1; `fits` accepts 1.
std::string what_fits(int64_t value, int64_t extent, const std::function<bool(int64_t)>& fits);

}  // namespace lckv::config
