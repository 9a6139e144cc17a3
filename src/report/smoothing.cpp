#include "lckv/report/smoothing.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace lckv::report {

namespace {

/// Sum and number of the finite values before each position.
struct Sums {
  std::vector<long double> sum{0};
  std::vector<uint32_t> count{0};

  explicit Sums(const std::vector<double>& values) {
    sum.reserve(values.size() + 1);
    count.reserve(values.size() + 1);
    for (const double value : values) {
      const bool counts = std::isfinite(value);
      sum.push_back(sum.back() + (counts ? value : 0));
      count.push_back(count.back() + (counts ? 1 : 0));
    }
  }
  double mean(size_t begin, size_t end) const {
    const uint32_t n = count[end] - count[begin];
    if (n == 0) return std::numeric_limits<double>::quiet_NaN();
    return static_cast<double>((sum[end] - sum[begin]) / n);
  }
};

double with_seven_digits(double value) {
  if (!std::isfinite(value) || value == 0) return value;
  const double unit = std::pow(10.0, 6 - std::floor(std::log10(std::abs(value))));
  return std::isfinite(unit) && unit > 0 ? std::round(value * unit) / unit : value;
}

}  // namespace

size_t smoothing_window(size_t points) { return std::max<size_t>(5, points / 50 / 2 * 2 + 1); }

Series smooth(const Series& series, size_t window) {
  const Sums sums(series.y);
  Series smoothed;
  smoothed.x = series.x;
  smoothed.y.reserve(series.size());
  for (size_t i = 0; i < series.size(); ++i) {
    const size_t begin = i - std::min(i, window / 2);
    const size_t end = std::min(series.size(), i + window / 2 + 1);
    smoothed.y.push_back(with_seven_digits(sums.mean(begin, end)));
  }
  return smoothed;
}

}  // namespace lckv::report
