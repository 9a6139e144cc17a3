#include "lckv/report/thinning.h"

#include <algorithm>
#include <cmath>

namespace lckv::report {

namespace {

/// Positions of what one bucket keeps.
struct Kept {
  size_t lowest, highest;
};

Kept extremes(const Series& series, size_t begin, size_t end) {
  Kept kept{begin, begin};
  for (size_t i = begin + 1; i < end; ++i) {
    const double y = series.y[i];
    if (std::isnan(y)) continue;
    if (std::isnan(series.y[kept.lowest])) kept = {i, i};
    if (y < series.y[kept.lowest]) kept.lowest = i;
    if (y > series.y[kept.highest]) kept.highest = i;
  }
  return kept;
}

class Thinned {
 public:
  explicit Thinned(const Series& from) : from_(from) {}

  /// Positions come in order; one that was added last is left out.
  void add(size_t position) {
    if (position == last_) return;
    series_.add(from_.x[position], from_.y[position]);
    last_ = position;
  }
  Series take() { return std::move(series_); }

 private:
  const Series& from_;
  Series series_;
  size_t last_ = SIZE_MAX;
};

}  // namespace

Series thin(const Series& series, size_t most) {
  if (series.size() <= most) return series;
  const double first = series.x.front(), width = series.x.back() - first;
  const double buckets = std::floor(static_cast<double>(most) / 2);
  const auto bucket_of = [&](size_t i) {
    return width > 0 ? std::min(std::floor((series.x[i] - first) / width * buckets), buckets - 1)
                     : 0;
  };
  Thinned thinned(series);
  thinned.add(0);
  for (size_t begin = 0, end = 0; begin < series.size(); begin = end) {
    while (end < series.size() && bucket_of(end) == bucket_of(begin)) ++end;
    const Kept kept = extremes(series, begin, end);
    thinned.add(std::min(kept.lowest, kept.highest));
    thinned.add(std::max(kept.lowest, kept.highest));
  }
  thinned.add(series.size() - 1);
  return thinned.take();
}

}  // namespace lckv::report
