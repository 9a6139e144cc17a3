#pragma once

#include <string>
#include <vector>

#include "lckv/doctor/rank_facts.h"

namespace lckv::doctor {

struct NodeLimits {
  double least_rate_frac = 0.8;  // of the median of all ranks
  double most_skew_s = 1;        // between any clock and the median one
  int64_t need_bytes = 0;        // free in the folder
};

/// What is wrong, a sentence each: which rank or node, the value and the limit. Empty: they can
/// train together. Medians of an even number are the larger of the middle two, of clocks the
/// earlier.
///
/// A rate far below the others' holds all ranks up; a clock that goes wrong makes times of files
/// and logs lie; a folder that a node does not share loses that node's part of every saved state.
std::vector<std::string> judge_nodes(const NodesFacts& facts, const NodeLimits& limits);

}  // namespace lckv::doctor
