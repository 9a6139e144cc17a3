#include "lckv/data/sample_order.h"

#include "lckv/base/error.h"

namespace lckv::data {

SampleOrder::SampleOrder(int64_t sequences, uint64_t seed) : sequences_(sequences), seed_(seed) {
  LCKV_CHECK(sequences > 0, "an order of no sequences");
}

int64_t SampleOrder::operator()(int64_t position) const {
  LCKV_CHECK(position >= 0, "negative position");
  const Permutation shuffled(static_cast<uint64_t>(sequences_), seed_,
                             static_cast<uint64_t>(epoch(position)));
  return static_cast<int64_t>(shuffled(static_cast<uint64_t>(position % sequences_)));
}

}  // namespace lckv::data
