#include "lckv/test_support/random_layout.h"

#include <algorithm>

#include "lckv/base/text.h"

namespace lckv::test {

RandomLayout random_layout(uint64_t seed, uint64_t number, int max_layers, int max_m, int max_b) {
  const CounterRng rng(seed, number);
  uint64_t drawn = 0;
  const auto below = [&](int bound) {
    return static_cast<int>(rng.below(drawn++, static_cast<uint64_t>(bound)));
  };
  RandomLayout layout;
  layout.layers = 1 + below(max_layers);
  layout.m = below(max_m + 1);
  layout.b = 1 + below(max_b);
  layout.force_nodiag = below(2) == 0;
  const bool near_by = below(2) == 0;
  for (int i = 0; i < layout.layers; ++i) {
    const int reads =
        near_by ? std::clamp(i - 1 + below(4), 0, layout.layers - 1) : below(layout.layers);
    layout.layer_types += format("{}{}{}", i == 0 ? "" : "_", reads, below(8) == 0 ? "s" : "");
  }
  return layout;
}

}  // namespace lckv::test
