#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lckv::report {

/// The values of one name over a run, in the order of steps. y is NaN where the file says null: the
/// value was not finite.
struct Series {
  std::vector<double> x;  // step, or tokens
  std::vector<double> y;

  size_t size() const { return x.size(); }
  bool empty() const { return x.empty(); }
  void add(double at, double value) {
    x.push_back(at);
    y.push_back(value);
  }
};

/// The part of the series with x >= from.
Series from_x(const Series& series, double from);

/// Of the finite values, NaN when there is none.
double median(const Series& series);
double last_finite(const Series& series);

/// Position of the smallest finite value, size() when there is none.
size_t smallest(const Series& series);

/// Sorts by x, keeps the order of equal ones; returns at once when sorted already.
void sort_by_x(Series& series);

}  // namespace lckv::report
