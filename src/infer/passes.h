#pragma once

#include <cstdint>
#include <vector>

namespace lckv::infer {

/// How often iterated layers visit the new tokens of a forward. More than there are new tokens of
/// one sequence change nothing and are not run (spec/lckv.md 2, lemma).
struct Passes {
  int64_t most = 1;         // >= 1
  double converge_eps = 0;  // > 0: stop when no K,V that is read upward changed by more, relatively

  bool operator==(const Passes&) const = default;
};

/// What a forward has done.
struct PassReport {
  int64_t passes = 0;  // of the iterated layers; 1 where there are none
  // Per pass from the second: the largest relative change, || K,V - those of the pass before || /
  // || K,V ||, Frobenius, among the layers that are read upward. Only where converge_eps > 0.
  std::vector<double> changes;
};

}  // namespace lckv::infer
