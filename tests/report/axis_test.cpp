#include "lckv/report/axis.h"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/report/nice_step.h"

namespace lckv::report {
namespace {

using testing::DoubleNear;
using testing::ElementsAre;
using testing::SizeIs;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kHuge = std::numeric_limits<double>::max();
constexpr double kTiny = std::numeric_limits<double>::denorm_min();

TEST(Axis, StepsAreOneTwoOrFiveTimesAPowerOfTenAndNotBelowWhatIsAsked) {
  EXPECT_DOUBLE_EQ(nice_step(0.9), 1);
  EXPECT_DOUBLE_EQ(nice_step(1), 1);
  EXPECT_DOUBLE_EQ(nice_step(1.01), 2);
  EXPECT_DOUBLE_EQ(nice_step(300), 500);
  EXPECT_DOUBLE_EQ(nice_step(7e-6), 1e-5);
}

TEST(Axis, LinearTicksStandAtNiceNumbersWithinTheRange) {
  const Axis axis = linear_axis(0, 500, 6, 0);
  EXPECT_THAT(axis.ticks, ElementsAre(0, 100, 200, 300, 400, 500));
  EXPECT_THAT(tick_texts(axis), ElementsAre("0", "100", "200", "300", "400", "500"));
}

TEST(Axis, AnyRangeHasTwoTicksOrMoreAndNotMoreThanAskedAllInsideAndApart) {
  std::mt19937_64 random(42);
  std::uniform_real_distribution<double> exponent(-9, 12), place(-1, 1);
  for (int trial = 0; trial < 2000; ++trial) {
    const double size = std::pow(10, exponent(random));
    const double min = place(random) * size, max = min + size * (0.01 + std::abs(place(random)));
    const Axis axis = linear_axis(min, max, 6, 0.05);
    ASSERT_GE(axis.ticks.size(), 2u) << min << " " << max;
    ASSERT_LE(axis.ticks.size(), 7u) << min << " " << max;
    ASSERT_GE(axis.ticks.front(), axis.min - 1e-9 * size);
    ASSERT_LE(axis.ticks.back(), axis.max + 1e-9 * size);
  }
}

TEST(Axis, TextsOfTicksDiffer) {
  for (const auto& [min, max] : {std::pair{0.0, 1e6},
                                 {1.2345, 1.2351},
                                 {0.0, 0.002},
                                 {-3.0, 4.0},
                                 {9990.0, 10010.0},
                                 {2e9, 8e9},
                                 {1e-5, 9e-5}}) {
    const auto texts = tick_texts(linear_axis(min, max, 6, 0.02));
    for (size_t i = 1; i < texts.size(); ++i) EXPECT_NE(texts[i - 1], texts[i]) << min;
  }
}

TEST(Axis, LogTicksStandAtPowersOfTen) {
  const Axis axis = log_axis(1e-6, 1, 8, 0);
  ASSERT_THAT(axis.ticks, SizeIs(7));
  EXPECT_THAT(axis.ticks.front(), DoubleNear(1e-6, 1e-15));
  EXPECT_THAT(axis.ticks.back(), DoubleNear(1, 1e-9));
  EXPECT_EQ(tick_texts(axis).front(), "10<sup>\u22126</sup>");
  EXPECT_LE(log_axis(1e-30, 1, 6, 0).ticks.size(), 6u);
}

TEST(Axis, AShortLogRangeHasTicksToo) {
  EXPECT_THAT(log_axis(0.4, 3, 6, 0).ticks, ElementsAre(DoubleNear(0.5, 1e-9), 1, 2));
  EXPECT_GE(log_axis(2.1, 2.4, 6, 0).ticks.size(), 2u);
}

TEST(Axis, PlacesTheEdgesAtZeroAndOneAndNothingWhereALogarithmHasNone) {
  const Axis linear = linear_axis(3, 7, 6, 0);
  EXPECT_DOUBLE_EQ(linear.place(3), 0);
  EXPECT_DOUBLE_EQ(linear.place(7), 1);
  const Axis log = log_axis(0.01, 100, 6, 0);
  EXPECT_DOUBLE_EQ(log.place(0.01), 0);
  EXPECT_DOUBLE_EQ(log.place(1), 0.5);
  EXPECT_TRUE(std::isnan(log.place(0)));
  EXPECT_TRUE(std::isnan(log.place(-1)));
}

TEST(Axis, RangesOfNothingAreWidened) {
  for (const double value : {0.0, 5.0, -2.0}) {
    const Axis axis = linear_axis(value, value, 6, 0);
    EXPECT_LT(axis.min, value);
    EXPECT_GT(axis.max, value);
    EXPECT_GE(axis.ticks.size(), 2u);
  }
  EXPECT_GE(linear_axis(kNone, kNone, 6, 0).ticks.size(), 2u);
  EXPECT_LT(log_axis(1e-5, 1e-5, 6, 0).min, 1e-5);
}

TEST(Axis, ValuesThatDifferInTheirLastBitAloneAreAsGoodAsEqual) {
  for (const double value : {2.5, -2.5, 3e-4, 1e17}) {
    const Axis axis = linear_axis(std::nextafter(value, -kHuge), value, 6, 0.05);
    EXPECT_THAT(axis.ticks, SizeIs(testing::AllOf(testing::Ge(2u), testing::Le(7u)))) << value;
  }
  EXPECT_LE(log_axis(std::nextafter(2.5, 0), 2.5, 6, 0.05).ticks.size(), 7u);
}

TEST(Axis, HugeAndTinyValuesHaveTicksToo) {
  for (const double tiny : {0.0, kTiny}) {
    EXPECT_THAT(linear_axis(-kHuge, kHuge, 6, 0.05).ticks, SizeIs(testing::Ge(2u)));
    EXPECT_THAT(linear_axis(tiny, kTiny, 6, 0.05).ticks, SizeIs(testing::Ge(2u)));
  }
  for (const auto& [min, max] : {std::pair{kTiny, kHuge}, {kTiny, 1.0}, {1.0, kHuge}}) {
    const Axis axis = log_axis(min, max, 6, 0.05);
    EXPECT_THAT(axis.ticks, SizeIs(testing::AllOf(testing::Ge(2u), testing::Le(7u))));
    EXPECT_TRUE(std::isfinite(axis.place(1))) << min << " " << max;
  }
  const double none = std::numeric_limits<double>::infinity();
  EXPECT_DOUBLE_EQ(log_axis(none, -none, 6, 0).place(1), 0.5);  // no value has a place
}

}  // namespace
}  // namespace lckv::report
