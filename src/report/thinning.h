#pragma once

#include "lckv/report/series.h"

namespace lckv::report {

/// A curve of more points than these is thinned: a chart is about so many pixels wide.
inline constexpr size_t kMostPoints = 1000;

/// At most about `most` points that draw the same curve: the range of x is cut into most / 2 equal
/// buckets, and each keeps its smallest and its largest value where they stand; the first and the
/// last point of the series stay too. A bucket whose values are all not finite keeps one of them,
/// a gap. A series of `most` points or fewer is returned as it is. x must be sorted; most >= 2.
Series thin(const Series& series, size_t most = kMostPoints);

}  // namespace lckv::report
