#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lckv::eval {

/// What a model chose, by sums of log-probabilities.
struct Answer {
  std::vector<double> scores;  // one per choice
  size_t pick = 0;             // largest score; the first of equal ones
  size_t pick_norm = 0;        // largest score per character
};

/// Characters are code points of the choice; the blank that was scored in front of it does not
/// count.
Answer make_answer(std::vector<double> scores, const std::vector<std::string>& choices);

/// The mean of values that are 0 or 1, and its standard error  sqrt(sum (x - mean)^2 / (n - 1)) /
/// sqrt(n).
struct Proportion {
  int64_t n = 0;
  double mean = 0;                  // 0 when n = 0
  std::optional<double> std_error;  // none when n < 2
  bool operator==(const Proportion&) const = default;
};
Proportion proportion(int64_t ones, int64_t n);

/// Of the questions whose right answer is known.
struct Accuracy {
  Proportion acc;
  Proportion acc_norm;
};

}  // namespace lckv::eval
