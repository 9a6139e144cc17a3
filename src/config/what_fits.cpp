#include "lckv/config/what_fits.h"

#include <algorithm>

#include "lckv/base/text.h"

namespace lckv::config {

std::string what_fits(int64_t value, int64_t extent, const std::function<bool(int64_t)>& fits) {
  int64_t below = 0;  // none
  int64_t above = 0;
  const auto look_at = [&](int64_t divisor) {
    if (!fits(divisor)) return;
    if (divisor < value) below = std::max(below, divisor);
    if (divisor > value) above = above == 0 ? divisor : std::min(above, divisor);
  };
  // in pairs: an extent may be a prime near 2^31
  for (int64_t d = 1; d * d <= extent; ++d) {
    if (extent % d != 0) continue;
    look_at(d);
    look_at(extent / d);
  }
  if (below == 0 || above == 0) return format("{} would fit", below + above);
  return format("{} or {} would fit", below, above);
}

}  // namespace lckv::config
