#pragma once

#include <string>
#include <vector>

#include "lckv/tensor/view.h"

namespace lckv::golden {

/// One quantity against its golden values.
struct Comparison {
  std::string name;
  // largest difference over the largest golden magnitude; absolute where the golden is all zero
  double error = 0;
};

/// What was compared in one file, and our values for --dump.
class Report {
 public:
  struct Dumped {
    std::string name;
    Shape shape;
    std::vector<double> values;
  };

  /// A NaN or infinity on either side is an infinite error.
  void compare(const std::string& name, const Shape& shape, std::vector<double> ours,
               const std::vector<double>& golden);

  /// Largest error among the names that begin with `prefix`.
  Comparison worst(const std::string& prefix) const;
  Comparison worst() const { return worst(""); }
  const std::vector<Comparison>& comparisons() const { return comparisons_; }
  const std::vector<Dumped>& dumped() const { return dumped_; }

 private:
  std::vector<Comparison> comparisons_;
  std::vector<Dumped> dumped_;
};

/// The elements of a contiguous floating tensor in double.
std::vector<double> to_doubles(ConstView view);

}  // namespace lckv::golden
