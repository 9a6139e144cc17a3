#pragma once

#include <cstdint>

#include "lckv/base/random.h"

namespace lckv::data {

/// Which sequence is trained on when: a pure function of (seed, position), with each sequence once
/// per epoch and another order in every epoch.
class SampleOrder {
 public:
  SampleOrder(int64_t sequences, uint64_t seed);

  /// `position` counts sequences over the whole run, from 0; epoch = position / sequences().
  int64_t operator()(int64_t position) const;

  int64_t sequences() const { return sequences_; }
  int64_t epoch(int64_t position) const { return position / sequences_; }

 private:
  int64_t sequences_;
  uint64_t seed_;
};

}  // namespace lckv::data
