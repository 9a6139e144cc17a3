#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "lckv/eval/token_pair.h"

namespace lckv::eval {

/// What a model says of the scored tokens of one row.
struct RequestScore {
  double ll = 0;           // sum of their log-probabilities
  bool is_greedy = false;  // each is the likeliest, the first of equal ones, after those before it
  std::string error;       // why there is no score; "" when there is one
  double ll_squares = 0;   // sum of the squares of their log-probabilities
};

/// Scores rows, in their order. This is all that tasks know of a model.
using ScoreRows = std::function<std::vector<RequestScore>(std::span<const TokenPair>)>;

}  // namespace lckv::eval
