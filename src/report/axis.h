#pragma once

#include <string>
#include <vector>

namespace lckv::report {

enum class ScaleKind { kLinear, kLog };

/// What one side of a chart shows.
struct Axis {
  ScaleKind kind = ScaleKind::kLinear;
  double min = 0, max = 1;    // the frame's edges; min > 0 where kind is kLog
  std::vector<double> ticks;  // rising, within min..max

  /// 0 at min, 1 at max; outside for values outside; NaN for what a logarithm does not have.
  double place(double value) const;
};

/// Ticks at multiples of 1, 2 or 5 times a power of ten, `most` or fewer (at least 2), for the
/// values min..max; the edges leave `margin` of the range free on both sides. Min and max that are
/// equal, nearly so or not finite give a range around them; values beyond 1e150 lie outside.
Axis linear_axis(double min, double max, int most, double margin);

/// Ticks at powers of ten, where the range is short at 1, 2 and 5 times them, where it is shorter
/// still as linear_axis has them. min > 0; values below 1e-150 and beyond 1e150 lie outside.
Axis log_axis(double min, double max, int most, double margin);

/// The ticks as short HTML with one unit for all: "0.5", "20 k", "10<sup>-4</sup>".
std::vector<std::string> tick_texts(const Axis& axis);

}  // namespace lckv::report
