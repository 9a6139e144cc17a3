#pragma once

#include <cstdint>
#include <string>

#include "lckv/base/random.h"

namespace lckv::test {

/// A random layer_types string with m and b: a function of (seed, number).
struct RandomLayout {
  std::string layer_types;
  int layers = 0;
  bool force_nodiag = false;
  int m = 0;
  int b = 1;
};

/// 1..max_layers layers; about half of the strings read near by, so that several groups form; one
/// entry in eight has the suffix s.
RandomLayout random_layout(uint64_t seed, uint64_t number, int max_layers, int max_m, int max_b);

}  // namespace lckv::test
