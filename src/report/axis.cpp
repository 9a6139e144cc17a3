#include "lckv/report/axis.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>

#include "lckv/report/nice_step.h"

namespace lckv::report {

namespace {

// What is larger, or smaller, is drawn at the edge: of these, sums and ratios are numbers.
constexpr double kLargest = 1e150, kSmallest = 1e-150;
// Of the larger value: ticks of a range that is narrower do not differ in double.
constexpr double kNarrowest = 1e-12;

/// Where there is nothing to span, something is.
void widen(double& min, double& max) {
  if (!std::isfinite(min) || !std::isfinite(max)) min = 0, max = 1;
  min = std::clamp(min, -kLargest, kLargest);
  max = std::clamp(max, -kLargest, kLargest);
  const double size = std::max(std::abs(min), std::abs(max));
  if (size >= kSmallest && max - min > kNarrowest * size) return;
  const double room = size < kSmallest ? 1 : size / 10;
  min -= room;
  max += room;
}

/// The same for what a logarithm has a place for.
void widen_log(double& min, double& max) {
  if (!std::isfinite(min) || !std::isfinite(max)) min = max = 1;
  min = std::clamp(min, kSmallest, kLargest);
  max = std::clamp(max, kSmallest, kLargest);
  if (max - min <= kNarrowest * max) min /= 2, max *= 2;
}

std::vector<double> multiples(double step, double min, double max) {
  std::vector<double> ticks;
  const double first = std::ceil(min / step - 1e-9), last = std::floor(max / step + 1e-9);
  for (double k = first; k <= last; ++k) ticks.push_back(k * step);
  return ticks;
}

std::vector<double> powers_of_ten(double min, double max, int most) {
  const double first = std::ceil(std::log10(min) - 1e-9), last = std::floor(std::log10(max) + 1e-9);
  const double every = std::max(1.0, std::ceil((last - first + 1) / most));
  std::vector<double> ticks;
  for (double e = first; e <= last; ++e) {
    if (std::fmod(e, every) == 0) ticks.push_back(std::pow(10, e));
  }
  return ticks;
}

std::vector<double> ones_twos_fives(double min, double max) {
  std::vector<double> ticks;
  for (double e = std::floor(std::log10(min)); e <= std::log10(max); ++e) {
    for (const double digit : {1, 2, 5}) {
      const double tick = digit * std::pow(10, e);
      if (min <= tick && tick <= max) ticks.push_back(tick);
    }
  }
  return ticks;
}

}  // namespace

double Axis::place(double value) const {
  if (kind == ScaleKind::kLinear) return (value - min) / (max - min);
  if (!(value > 0)) return std::numeric_limits<double>::quiet_NaN();
  return std::log(value / min) / std::log(max / min);
}

Axis linear_axis(double min, double max, int most, double margin) {
  widen(min, max);
  Axis axis;
  axis.min = min - margin * (max - min);
  axis.max = max + margin * (max - min);
  axis.ticks = multiples(nice_step((axis.max - axis.min) / most), axis.min, axis.max);
  return axis;
}

Axis log_axis(double min, double max, int most, double margin) {
  widen_log(min, max);
  Axis axis;
  axis.kind = ScaleKind::kLog;
  axis.min = min * std::pow(max / min, -margin);
  axis.max = max * std::pow(max / min, margin);
  axis.ticks = powers_of_ten(axis.min, axis.max, most);
  if (axis.ticks.size() < 3) {
    const auto finer = ones_twos_fives(axis.min, axis.max);
    if (finer.size() <= static_cast<size_t>(most)) axis.ticks = finer;
  }
  if (axis.ticks.size() < 3 && axis.max / axis.min < 10) {
    axis.ticks = multiples(nice_step((axis.max - axis.min) / most), axis.min, axis.max);
  }
  return axis;
}

}  // namespace lckv::report
