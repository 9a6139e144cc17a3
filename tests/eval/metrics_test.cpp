#include "lckv/eval/metrics.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

namespace lckv::eval {
namespace {

std::vector<double> ones_and_zeros(int ones, int n) {
  std::vector<double> values(static_cast<size_t>(n), 0.0);
  std::fill(values.begin(), values.begin() + ones, 1.0);
  return values;
}

// Sums of n terms, each rounded once: relative error below n * 2^-53, here of the squares.
constexpr double kRounding = 500 * 0x1p-53;

TEST(Metrics, MeanHasTheStandardErrorOfTheSpecification) {
  const Estimate estimate = mean_of(ones_and_zeros(107, 500));
  EXPECT_EQ(estimate.value, 0.214);
  EXPECT_NEAR(*estimate.std_error, 0.018359797502387046, 0.0184 * kRounding);
}

TEST(Metrics, OneValueHasNoStandardError) {
  const std::vector<double> one = {3.0};
  EXPECT_EQ(mean_of(one).value, 3.0);
  EXPECT_EQ(mean_of(one).std_error, std::nullopt);
  EXPECT_EQ(perplexity_of(one, 100000, 1).std_error, std::nullopt);
}

const std::vector<double> kLls = {-0.5, -1.25, -3.0, -0.125, -2.5};

TEST(Metrics, PerplexityIsBootstrappedInChunksAsPythonDraws) {
  // CPython 3.11: random.Random(chunk).choices, in chunks of 1000.
  const Estimate estimate = perplexity_of(kLls, 3000, 1);
  EXPECT_NEAR(estimate.value, 4.371035772929758, 4.4 * 0x1p-51);
  EXPECT_NEAR(*estimate.std_error, 2.678224506768411, 2.7 * 3000 * 0x1p-53);
}

TEST(Metrics, BootstrapsWholeChunksOnly) {
  EXPECT_NEAR(*perplexity_of(kLls, 2500, 1).std_error, 2.7278945074280823, 2.8 * 2000 * 0x1p-53);
  EXPECT_NEAR(*perplexity_of(kLls, 500, 1).std_error, 2.6217944743363337, 2.7 * 500 * 0x1p-53);
  EXPECT_EQ(perplexity_of(kLls, 0, 1).std_error, std::nullopt);
}

TEST(Metrics, BootstrapDoesNotDependOnThreads) {
  EXPECT_EQ(perplexity_of(kLls, 5000, 1).std_error, perplexity_of(kLls, 5000, 3).std_error);
}

TEST(Metrics, PagesMatchTheVectorOfTheSpecification) {
  const PageTotals totals{-15, 5, 28};
  EXPECT_NEAR(word_perplexity(totals), 20.0855, 5e-5);
  EXPECT_NEAR(byte_perplexity(totals), 1.70867, 5e-6);
  EXPECT_NEAR(bits_per_byte(totals), 0.77287, 5e-6);
}

}  // namespace
}  // namespace lckv::eval
