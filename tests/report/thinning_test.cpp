#include "lckv/report/thinning.h"

#include <cmath>
#include <limits>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/report/smoothing.h"

namespace lckv::report {
namespace {

using testing::ElementsAre;

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

Series noise(size_t points) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  Series series;
  for (size_t i = 0; i < points; ++i) series.add(double(i + 1), normal(random));
  return series;
}

double lowest(const Series& s) { return *std::min_element(s.y.begin(), s.y.end()); }
double highest(const Series& s) { return *std::max_element(s.y.begin(), s.y.end()); }

TEST(Thinning, LeavesAShortSeriesAsItIs) {
  const Series series = noise(kMostPoints);
  const Series thinned = thin(series);
  EXPECT_EQ(thinned.x, series.x);
  EXPECT_EQ(thinned.y, series.y);
}

TEST(Thinning, KeepsTheExtremesOfEveryStretch) {
  const Series series = noise(100'000), thinned = thin(series, 200);
  EXPECT_LE(thinned.size(), 202u);
  for (int stretch = 0; stretch < 100; ++stretch) {  // those that it cuts the range into
    const double begin = 1 + 999.99 * stretch, end = begin + 999.99;
    double low[2] = {9, 9}, high[2] = {-9, -9};
    for (const Series* of : {&series, &thinned}) {
      for (size_t i = 0; i < of->size(); ++i) {
        if (of->x[i] < begin || of->x[i] >= end) continue;
        low[of == &thinned] = std::min(low[of == &thinned], of->y[i]);
        high[of == &thinned] = std::max(high[of == &thinned], of->y[i]);
      }
    }
    ASSERT_EQ(low[0], low[1]) << stretch;
    ASSERT_EQ(high[0], high[1]) << stretch;
  }
}

TEST(Thinning, KeepsOneSpikeAmongAMillionPoints) {
  Series series = noise(1'000'000);
  series.y[654'321] = 1e9;
  series.y[123'456] = -1e9;
  const Series thinned = thin(series);
  EXPECT_EQ(highest(thinned), 1e9);
  EXPECT_EQ(lowest(thinned), -1e9);
  EXPECT_EQ(thinned.x.front(), 1);
  EXPECT_EQ(thinned.x.back(), 1e6);
  EXPECT_TRUE(std::is_sorted(thinned.x.begin(), thinned.x.end()));
}

/// The fault that the law must see: every k-th point.
TEST(Thinning, TakingEveryHundredthPointWouldLoseThem) {
  Series series = noise(100'000), picked;
  series.y[54'321] = 1e9;
  for (size_t i = 0; i < series.size(); i += 100) picked.add(series.x[i], series.y[i]);
  EXPECT_NE(highest(picked), 1e9);
}

TEST(Thinning, KeepsGapsWhereNothingIsFinite) {
  Series series = noise(10'000);
  for (size_t i = 4000; i < 6000; ++i) series.y[i] = kNone;
  series.y[100] = kNone;  // one among finite ones is not worth a gap
  const Series thinned = thin(series, 100);
  int gaps = 0;
  for (size_t i = 0; i < thinned.size(); ++i) gaps += std::isnan(thinned.y[i]) ? 1 : 0;
  EXPECT_EQ(gaps, 10);  // 2 000 of 10 000 points are a fifth of 50 stretches
}

TEST(Thinning, TakesPointsThatAllHaveOneX) {
  Series series;
  for (int i = 0; i < 5000; ++i) series.add(3, i);
  const Series thinned = thin(series, 100);
  EXPECT_THAT(thinned.y, ElementsAre(0, 4999));
}

TEST(Smoothing, IsTheMeanOfTheValuesAround) {
  const Series series{{1, 2, 3, 4, 5}, {1, 2, 6, kNone, 3}};
  EXPECT_THAT(smooth(series, 3).y, ElementsAre(1.5, 3, 4, 4.5, 3));
}

TEST(Smoothing, HasNoValueWhereThereIsNone) {
  const Series series{{1, 2, 3}, {kNone, kNone, kNone}};
  EXPECT_TRUE(std::isnan(smooth(series, 3).y[1]));
}

TEST(Smoothing, WindowsAreOdd) {
  for (size_t points = 0; points < 3000; points += 7) EXPECT_EQ(smoothing_window(points) % 2, 1u);
  EXPECT_EQ(smoothing_window(1000), 21u);
}

TEST(Series, MediansAndBestValuesLeaveOutWhatIsNotFinite) {
  const Series series{{1, 2, 3, 4, 5}, {kNone, 4, 1, 2, kNone}};
  EXPECT_EQ(median(series), 2);
  EXPECT_EQ(median({{1, 2}, {1, 4}}), 2.5);
  EXPECT_EQ(smallest(series), 2u);
  EXPECT_EQ(last_finite(series), 2);
  EXPECT_TRUE(std::isnan(median({})));
}

}  // namespace
}  // namespace lckv::report
