#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/report/chart.h"

namespace lckv::report {

namespace {

constexpr int kMostTicksX = 6, kMostTicksY = 6;
constexpr double kMarginX = 0.012, kMarginY = 0.05;

struct Span {
  double min = std::numeric_limits<double>::infinity();
  double max = -std::numeric_limits<double>::infinity();

  void take(double value) {
    min = std::min(min, value);
    max = std::max(max, value);
  }
};

/// What an axis has a place for.
bool is_drawable(double value, ScaleKind kind) {
  return std::isfinite(value) && (kind == ScaleKind::kLinear || value > 0);
}

Axis whole_numbers(const Span& span) {
  Axis axis = linear_axis(span.min, span.max, kMostTicksX, 0.05);
  std::erase_if(axis.ticks, [](double tick) { return tick != std::round(tick); });
  return axis;
}

}  // namespace

ChartAxes chart_axes(const Chart& chart) {
  Span x, y;
  for (const Curve& curve : chart.curves) {
    for (size_t i = 0; i < curve.points.size(); ++i) {
      x.take(curve.points.x[i]);
      if (is_drawable(curve.points.y[i], chart.y_scale)) y.take(curve.points.y[i]);
    }
  }
  if (chart.y_from_zero) y.take(0);
  ChartAxes axes;
  axes.x = chart.x_whole ? whole_numbers(x) : linear_axis(x.min, x.max, kMostTicksX, kMarginX);
  axes.y = chart.y_scale == ScaleKind::kLog ? log_axis(y.min, y.max, kMostTicksY, kMarginY)
                                            : linear_axis(y.min, y.max, kMostTicksY, kMarginY);
  if (chart.y_from_zero && y.min == 0) axes.y.min = 0;
  return axes;
}

}  // namespace lckv::report
