#include "lckv/base/random.h"

#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "lckv/base/error.h"

namespace lckv {
namespace {

TEST(CounterRng, MatchesThePublishedPhiloxVector) {
  // Philox4x32-10 of counter 0 and key 0 (Random123's known answers): 6627e8d5 e169c58d bc57ac4c
  // 9b00dbd8. Element 0 is the first two words, element 1 the last two.
  const CounterRng rng(0, 0);
  EXPECT_EQ(rng.bits(0), 0xe169c58d6627e8d5ull);
  EXPECT_EQ(rng.bits(1), 0x9b00dbd8bc57ac4cull);
}

TEST(CounterRng, SeedStreamAndIndexEachChangeTheNumber) {
  const std::set<uint64_t> values = {CounterRng(1, 1).bits(5), CounterRng(2, 1).bits(5),
                                     CounterRng(1, 2).bits(5), CounterRng(1, 1).bits(6)};
  EXPECT_EQ(values.size(), 4u);
}

TEST(CounterRng, NormalHasMeanZeroAndDeviationOne) {
  const CounterRng rng(3, hash_text("weights"));
  constexpr int kCount = 100000;
  double sum = 0, squares = 0, fourth = 0;
  for (uint64_t i = 0; i < kCount; ++i) {
    const double x = rng.normal(i);
    sum += x;
    squares += x * x;
    fourth += x * x * x * x;
  }
  // Six standard errors: 1, sqrt(2) and sqrt(96) over sqrt(n).
  const double error = 6 / std::sqrt(kCount);
  EXPECT_NEAR(sum / kCount, 0, error);
  EXPECT_NEAR(squares / kCount, 1, error * std::sqrt(2));
  EXPECT_NEAR(fourth / kCount, 3, error * std::sqrt(96));
}

TEST(CounterRng, BelowStaysInRangeAndReachesItsEnds) {
  const CounterRng rng(4, 4);
  std::set<uint64_t> seen;
  for (uint64_t i = 0; i < 200; ++i) seen.insert(rng.below(i, 7));
  EXPECT_EQ(seen, (std::set<uint64_t>{0, 1, 2, 3, 4, 5, 6}));
}

TEST(Permutation, IsABijectionForEverySize) {
  for (const uint64_t size : {1ull, 2ull, 3ull, 17ull, 64ull, 1000ull, 4097ull}) {
    const Permutation permutation(size, 42, 7);
    std::set<uint64_t> images;
    for (uint64_t i = 0; i < size; ++i) images.insert(permutation(i));
    EXPECT_EQ(images.size(), size);
    EXPECT_EQ(*images.rbegin(), size - 1);
    EXPECT_THROW(permutation(size), InternalError);
  }
}

TEST(Permutation, DiffersBetweenStreams) {
  const Permutation first(1000, 42, 0), second(1000, 42, 1);
  int fixed = 0;
  for (uint64_t i = 0; i < 1000; ++i) fixed += first(i) == second(i) ? 1 : 0;
  EXPECT_LT(fixed, 20);  // one expected; 20 has probability below 1e-17
}

}  // namespace
}  // namespace lckv
