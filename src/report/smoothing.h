#pragma once

#include "lckv/report/series.h"

namespace lckv::report {

/// Points that a smoothed value averages: a fiftieth of the series, odd, at least 5.
size_t smoothing_window(size_t points);

/// Each value becomes the mean of the finite ones among the `window` around it, fewer at the ends;
/// NaN where there are none. `window` is odd. Numbers keep 7 digits, which
/// is more than a mean of so few values is worth.
Series smooth(const Series& series, size_t window);

}  // namespace lckv::report
