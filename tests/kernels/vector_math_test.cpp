// The header is compiled here as an instruction set of its own.
#define LCKV_CPU_ISA vector_math_test
#include "lckv/kernels/cpu/per_isa/vector_math.h"

#include <limits>

#include <gtest/gtest.h>

#include "lckv/base/random.h"

namespace lckv {
namespace {

using ops::vector_math_test::exp_fast;
using ops::vector_math_test::round_to_bf16;

// In units of the spacing of floats around the true value.
double ulps_off(float x) {
  const double expected = std::exp(static_cast<double>(x));
  const double spacing = std::ldexp(1.0, std::max(std::ilogb(expected) - 23, -149));
  return std::fabs(static_cast<double>(exp_fast(x)) - expected) / spacing;
}

TEST(VectorMath, ExpIsWithinOnePointOneUlpUpToOverflow) {
  const CounterRng rng(1, 0);
  double worst = 0;
  for (uint64_t i = 0; i < 400000; ++i) {
    worst = std::max(worst, ulps_off(static_cast<float>(-104 + 192.7 * rng.uniform(i))));
    worst = std::max(worst, ulps_off(static_cast<float>(rng.normal(i) * 1e-3)));
  }
  EXPECT_LE(worst, 1.1);
}

TEST(VectorMath, ExpOfTheEdgesIsThatOfTheLibrary) {
  const float inf = std::numeric_limits<float>::infinity();
  for (const float x : {0.0f, -0.0f, inf, -inf, 88.73f, 89.0f, 1e30f, -104.0f, -1e30f, -150.0f}) {
    EXPECT_EQ(exp_fast(x), std::exp(x)) << x;
  }
  EXPECT_TRUE(std::isnan(exp_fast(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_GT(exp_fast(-103.0f), 0.0f);
}

TEST(VectorMath, BFloat16RoundingIsThatOfTheType) {
  const CounterRng rng(2, 0);
  for (uint64_t i = 0; i < 200000; ++i) {
    const float value = std::bit_cast<float>(static_cast<uint32_t>(rng.bits(i)));
    if (value != value) {
      EXPECT_TRUE(std::isnan(static_cast<float>(round_to_bf16(value))));
    } else {
      EXPECT_EQ(round_to_bf16(value).bits, BFloat16(value).bits) << value;
    }
  }
}

// Against a search for the nearest of the two neighbours, in exact arithmetic.
TEST(VectorMath, DoublesRoundToTheNearestBFloat16) {
  const CounterRng rng(3, 0);
  for (uint64_t i = 0; i < 200000; ++i) {
    const auto lower = static_cast<uint16_t>(rng.bits(i) % 0x7F00);
    BFloat16 below, above;
    below.bits = lower;
    above.bits = static_cast<uint16_t>(lower + 1);
    const double a = static_cast<float>(below), b = static_cast<float>(above);
    const double middle = a + (b - a) / 2;
    const double nudge = (b - a) * 0x1p-30;
    EXPECT_EQ(round_to_bf16(middle - nudge).bits, lower);
    EXPECT_EQ(round_to_bf16(middle + nudge).bits, lower + 1);
    EXPECT_EQ(round_to_bf16(middle).bits, lower + lower % 2);
    EXPECT_EQ(round_to_bf16(-middle).bits, 0x8000 + lower + lower % 2);
  }
}

}  // namespace
}  // namespace lckv
