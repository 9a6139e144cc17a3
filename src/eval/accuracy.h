#pragma once

#include <cstddef>
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

}  // namespace lckv::eval
