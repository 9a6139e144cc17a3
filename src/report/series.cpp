#include "lckv/report/series.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace lckv::report {

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

}  // namespace

Series from_x(const Series& series, double from) {
  const auto begin = std::lower_bound(series.x.begin(), series.x.end(), from) - series.x.begin();
  return {{series.x.begin() + begin, series.x.end()}, {series.y.begin() + begin, series.y.end()}};
}

double median(const Series& series) {
  std::vector<double> values;
  std::copy_if(series.y.begin(), series.y.end(), std::back_inserter(values),
               [](double value) { return std::isfinite(value); });
  if (values.empty()) return kNone;
  const auto middle = values.begin() + static_cast<ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  if (values.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(values.begin(), middle)) / 2;
}

double last_finite(const Series& series) {
  const auto found = std::find_if(series.y.rbegin(), series.y.rend(),
                                  [](double value) { return std::isfinite(value); });
  return found == series.y.rend() ? kNone : *found;
}

size_t smallest(const Series& series) {
  size_t best = series.size();
  for (size_t i = 0; i < series.size(); ++i) {
    if (!std::isfinite(series.y[i])) continue;
    if (best == series.size() || series.y[i] < series.y[best]) best = i;
  }
  return best;
}

void sort_by_x(Series& series) {
  if (std::is_sorted(series.x.begin(), series.x.end())) return;
  std::vector<size_t> order(series.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return series.x[a] < series.x[b]; });
  Series sorted;
  for (const size_t i : order) sorted.add(series.x[i], series.y[i]);
  series = std::move(sorted);
}

}  // namespace lckv::report
