#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest-spi.h>

#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"

namespace lckv {
namespace {

using ops::VocabularyPart;
using test::expect_close;
using test::random_tensor;
using test::unit_roundoff;
using test::values_of;
using Values = std::vector<double>;

constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr int64_t kRanks[] = {1, 2, 3, 8};

// Behind the columns of every rank, the last one's and those of ranks without a column included: a
// rank that does not stop before them takes the tokens of the next one too.
constexpr int64_t kPadding = 3;

int64_t columns_per_rank(int64_t V, int64_t R) { return (V + R - 1) / R; }

VocabularyPart vocabulary_of(int64_t V, int64_t R, int64_t r) {
  const int64_t width = columns_per_rank(V, R);
  return {.first_token = r * width, .columns = std::clamp<int64_t>(V - r * width, 0, width)};
}

// Values [N, V] as each of R ranks holds them: [N, V_tp], V_tp = columns_per_rank + kPadding.
std::vector<Values> deal(const Values& whole, int64_t V, int64_t R, double padding) {
  std::vector<Values> ranks;
  for (int64_t r = 0; r < R; ++r) {
    const VocabularyPart vocabulary = vocabulary_of(V, R, r);
    const auto V_tp = static_cast<size_t>(columns_per_rank(V, R) + kPadding);
    Values& part = ranks.emplace_back();
    for (auto row = whole.begin(); row < whole.end(); row += V) {
      const size_t end = part.size() + V_tp;
      if (vocabulary.columns > 0) {
        const auto first = row + vocabulary.first_token;
        part.insert(part.end(), first, first + vocabulary.columns);
      }
      part.resize(end, padding);
    }
  }
  return ranks;
}

// dtype() is the dtype of dlogits, sum_dtype() that of the logits.
class CrossEntropyPart : public test::KernelTest {
 protected:
  // The whole op's results and how far those of the parts may be from them.
  struct Whole {
    Values nll, dlogits, nll_tolerance, dlogits_tolerance;
  };
  Whole whole(const Buffer& logits, const Buffer& targets, double scale);

  struct Rank {
    VocabularyPart vocabulary;
    Buffer logits;  // [N, V_tp]
  };
  std::vector<Rank> ranks_of(const Buffer& logits, int64_t R, double padding) const;

  Buffer parts_of(const std::vector<Rank>& ranks, const Buffer& targets);
  struct Joined {
    Buffer nll, total;
  };
  Joined join(ConstView parts, const Buffer& targets);
  Buffer gradient(const Rank& rank, const Buffer& total, const Buffer& targets, double scale);

  double nll_of_one_row(const Values& logits, int32_t target, int64_t R);
};
INSTANTIATE_TEST_SUITE_P(Kernels, CrossEntropyPart, test::every_dtype_and_table(),
                         test::kernel_case_name);

CrossEntropyPart::Whole CrossEntropyPart::whole(const Buffer& logits, const Buffer& targets,
                                                double scale) {
  const int64_t N = logits.view().dim(0), V = logits.view().dim(1);
  const Buffer nll(sum_dtype(), {N}), dlogits(dtype(), {N, V});
  kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                           targets.view(), test::scalar_of(scale).view());
  Whole result{values_of(nll.view()), values_of(dlogits.view()), {}, {}};
  // Both sum at most 2048 terms at once in the logits' dtype, subtract a maximum (exact to a
  // rounding of the difference d, which the exponential magnifies d-fold; terms with d > 104
  // vanish) and take exponentials of 2 ulp; the join adds an exponential and a term per rank.
  const double u = unit_roundoff(sum_dtype());
  const double relative = 2 * (static_cast<double>(std::min<int64_t>(V, 2048)) + 104 + 32) * u;
  for (const double value : result.nll) {
    result.nll_tolerance.push_back(relative + 4 * u * std::fabs(value));
  }
  for (size_t i = 0; i < result.dlogits.size(); ++i) {
    const auto [n, v] = std::div(static_cast<int64_t>(i), V);
    const double is_target = targets.view().data<int32_t>()[n] == v ? 1 : 0;
    const double value = std::fabs(result.dlogits[i]);
    result.dlogits_tolerance.push_back((value + scale * is_target) * relative +
                                       4 * value * unit_roundoff(dtype()) + 0x1p-126);
  }
  return result;
}

std::vector<CrossEntropyPart::Rank> CrossEntropyPart::ranks_of(const Buffer& logits, int64_t R,
                                                               double padding) const {
  const int64_t N = logits.view().dim(0), V = logits.view().dim(1);
  const std::vector<Values> parts = deal(values_of(logits.view()), V, R, padding);
  std::vector<Rank> ranks;
  for (int64_t r = 0; r < R; ++r) {
    const Shape shape = {N, columns_per_rank(V, R) + kPadding};
    ranks.push_back({vocabulary_of(V, R, r),
                     test::tensor_of(sum_dtype(), shape, parts[static_cast<size_t>(r)])});
  }
  return ranks;
}

// [R, 3, N]
Buffer CrossEntropyPart::parts_of(const std::vector<Rank>& ranks, const Buffer& targets) {
  const auto R = static_cast<int64_t>(ranks.size());
  const int64_t N = targets.view().dim(0);
  Buffer parts = random_tensor(DType::kF64, {R, 3, N}, 7);
  for (int64_t r = 0; r < R; ++r) {
    const Rank& rank = ranks[static_cast<size_t>(r)];
    kernels().cross_entropy_part(stream_, parts.view().slice(0, r, r + 1).reshape({3, N}),
                                 rank.logits.view(), targets.view(), rank.vocabulary);
  }
  return parts;
}

CrossEntropyPart::Joined CrossEntropyPart::join(ConstView parts, const Buffer& targets) {
  const int64_t N = targets.view().dim(0);
  Joined joined{random_tensor(sum_dtype(), {N}, 8), random_tensor(DType::kF64, {2, N}, 9)};
  kernels().cross_entropy_join(stream_, joined.nll.view(), joined.total.view(), parts,
                               targets.view());
  return joined;
}

Buffer CrossEntropyPart::gradient(const Rank& rank, const Buffer& total, const Buffer& targets,
                                  double scale) {
  Buffer dlogits = random_tensor(dtype(), rank.logits.view().shape(), 10);
  kernels().cross_entropy_part_backward(stream_, dlogits.view(), rank.logits.view(), total.view(),
                                        targets.view(), rank.vocabulary,
                                        test::scalar_of(scale).view());
  return dlogits;
}

double CrossEntropyPart::nll_of_one_row(const Values& logits, int32_t target, int64_t R) {
  const Buffer row = test::tensor_of(sum_dtype(), {1, static_cast<int64_t>(logits.size())}, logits);
  const Buffer targets = test::tokens_of({{target}});
  const Buffer parts = parts_of(ranks_of(row, R, 0.0), targets);
  return values_of(join(parts.view(), targets).nll.view())[0];
}

Buffer targets_with_an_ignored_one(int64_t N, int64_t V) {
  Buffer targets = test::random_tokens({N}, V, 2);
  targets.view().data<int32_t>()[1] = ops::kIgnoreTarget;
  return targets;
}

TEST_P(CrossEntropyPart, OfAllRanksIsTheWholeOpWhateverThePaddingHolds) {
  const double scale = 0.125;
  for (const auto& [N, V] : {std::pair<int64_t, int64_t>{5, 17}, {9, 127}, {3, 31123}}) {
    const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1, 3.0);
    const Buffer targets = targets_with_an_ignored_one(N, V);
    const Whole expected = whole(logits, targets, scale);
    for (const int64_t R : kRanks) {
      // Padding's gradient has no tolerance.
      const std::vector<Values> dlogits = deal(expected.dlogits, V, R, 0.0);
      const std::vector<Values> tolerance = deal(expected.dlogits_tolerance, V, R, 0.0);
      for (const double garbage : {1e30, kNaN}) {
        SCOPED_TRACE(testing::Message() << V << " tokens, " << R << " ranks, " << garbage);
        const std::vector<Rank> ranks = ranks_of(logits, R, garbage);
        const Joined joined = join(parts_of(ranks, targets).view(), targets);
        expect_close(joined.nll.view(), expected.nll, expected.nll_tolerance);
        for (size_t r = 0; r < ranks.size(); ++r) {
          expect_close(gradient(ranks[r], joined.total, targets, scale).view(), dlogits[r],
                       tolerance[r]);
        }
      }
    }
  }
}

TEST_P(CrossEntropyPart, AColumnOfPaddingThatIsNotMaskedIsSeen) {
  const int64_t N = 5, V = 17;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1, 3.0);
  const Buffer targets = targets_with_an_ignored_one(N, V);
  const Whole expected = whole(logits, targets, 0.125);
  for (const int64_t R : kRanks) {
    // 0 is what padding of a head's weights with zeros gives: not even the largest logit.
    std::vector<Rank> ranks = ranks_of(logits, R, 0.0);
    const Joined right = join(parts_of(ranks, targets).view(), targets);
    Rank& last = ranks.back();
    ++last.vocabulary.columns;
    const Joined wrong = join(parts_of(ranks, targets).view(), targets);
    EXPECT_NONFATAL_FAILURE(expect_close(wrong.nll.view(), expected.nll, expected.nll_tolerance),
                            "worst");
    const Values dlogits = deal(expected.dlogits, V, R, 0.0).back();
    const Values tolerance = deal(expected.dlogits_tolerance, V, R, 0.0).back();
    EXPECT_NONFATAL_FAILURE(
        expect_close(gradient(last, right.total, targets, 0.125).view(), dlogits, tolerance),
        "worst");
  }
}

TEST_P(CrossEntropyPart, APartThatIsMissingIsSeen) {
  const int64_t N = 5, V = 127;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1, 3.0);
  const Buffer targets = targets_with_an_ignored_one(N, V);
  const Whole expected = whole(logits, targets, 0.125);
  for (const int64_t R : {2, 3, 8}) {
    const std::vector<Rank> ranks = ranks_of(logits, R, 0.0);
    const Buffer parts = parts_of(ranks, targets);
    const Values dlogits = deal(expected.dlogits, V, R, 0.0).back();
    const Values tolerance = deal(expected.dlogits_tolerance, V, R, 0.0).back();
    for (int64_t missing = 0; missing < R; missing += R - 1) {
      const int64_t first = missing == 0 ? 1 : 0;
      const Joined wrong = join(parts.view().slice(0, first, first + R - 1), targets);
      EXPECT_NONFATAL_FAILURE(expect_close(wrong.nll.view(), expected.nll, expected.nll_tolerance),
                              "worst");
      EXPECT_NONFATAL_FAILURE(
          expect_close(gradient(ranks.back(), wrong.total, targets, 0.125).view(), dlogits,
                       tolerance),
          "worst");
    }
  }
}

TEST_P(CrossEntropyPart, OfOneRankIsTheWholeOpBitForBit) {
  const int64_t N = 4, V = 5000;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1, 3.0);
  const Buffer targets = targets_with_an_ignored_one(N, V);
  const std::vector<Rank> ranks = ranks_of(logits, 1, kNaN);
  const Joined joined = join(parts_of(ranks, targets).view(), targets);
  const Whole expected = whole(logits, targets, 0.5);
  EXPECT_EQ(values_of(joined.nll.view()), expected.nll);
  EXPECT_EQ(values_of(gradient(ranks[0], joined.total, targets, 0.5).view()),
            deal(expected.dlogits, V, 1, 0.0)[0]);
}

TEST_P(CrossEntropyPart, HoldsMaximumSumAndTheLogitOfItsOwnTarget) {
  // Tokens 7 .. 9, then padding.
  const Buffer logits = test::tensor_of(
      sum_dtype(), {4, 4}, Values{1, 3, 2, 9, -kInf, 0, 0, 9, 5, 5, 5, 9, -kInf, -kInf, -kInf, 9});
  const Buffer targets = test::tokens_of({{9, 6, 10, ops::kIgnoreTarget}});
  const Buffer part(DType::kF64, {3, 4});
  kernels().cross_entropy_part(stream_, part.view(), logits.view(), targets.view(),
                               {.first_token = 7, .columns = 3});
  const Values expected = {3,
                           0,
                           5,
                           -kInf,  //
                           std::exp(-2) + 1 + std::exp(-1),
                           2,
                           3,
                           0,  //
                           2,
                           0,
                           0,
                           0};
  const double relative = 16 * unit_roundoff(sum_dtype());
  Values tolerance(12, 0.0);
  for (size_t i = 4; i < 8; ++i) tolerance[i] = relative * expected[i];
  expect_close(part.view(), expected, tolerance);
}

TEST_P(CrossEntropyPart, WithoutAColumnAddsNothing) {
  const Buffer logits = test::tensor_of(sum_dtype(), {1, 2}, Values{kNaN, 1e30});
  const Buffer part = random_tensor(DType::kF64, {3, 1}, 1);
  kernels().cross_entropy_part(stream_, part.view(), logits.view(), test::tokens_of({{8}}).view(),
                               {.first_token = 8, .columns = 0});
  EXPECT_EQ(values_of(part.view()), (Values{-kInf, 0, 0}));
}

TEST_P(CrossEntropyPart, OfMaskedLogitsAddsNothing) {
  const Values logits = {-kInf, -kInf, 1.5, 0.5, -kInf, -kInf};
  EXPECT_NEAR(nll_of_one_row(logits, 3, 3), std::log1p(std::exp(1.0)),
              16 * unit_roundoff(sum_dtype()));
}

TEST_P(CrossEntropyPart, IsStableForLogitsUpToTenThousand) {
  const Buffer logits = random_tensor(sum_dtype(), {6, 450}, 1, 3000.0);
  const Buffer targets = targets_with_an_ignored_one(6, 450);
  const Whole expected = whole(logits, targets, 1.0);
  const Joined joined = join(parts_of(ranks_of(logits, 8, 1e30), targets).view(), targets);
  expect_close(joined.nll.view(), expected.nll, expected.nll_tolerance);
}

TEST_P(CrossEntropyPart, IgnoredTargetsGiveExactZeros) {
  const int64_t N = 4, V = 33;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1);
  const Buffer targets = test::tokens_of({{3, ops::kIgnoreTarget, 32, ops::kIgnoreTarget}});
  const std::vector<Rank> ranks = ranks_of(logits, 3, kNaN);
  const Joined joined = join(parts_of(ranks, targets).view(), targets);
  for (const int64_t n : {1, 3}) {
    EXPECT_EQ(values_of(joined.nll.view())[static_cast<size_t>(n)], 0);
    for (const Rank& rank : ranks) {
      const Buffer dlogits = gradient(rank, joined.total, targets, 0.5);
      const auto V_tp = static_cast<size_t>(dlogits.view().dim(1));
      EXPECT_EQ(values_of(dlogits.view().slice(0, n, n + 1)), Values(V_tp, 0.0));
    }
  }
}

TEST_P(CrossEntropyPart, TheGradientMayReplaceTheLogits) {
  if (dtype() == DType::kBF16) return;  // F32 logits do not fit into BF16 gradients
  const Buffer logits = random_tensor(sum_dtype(), {3, 100}, 1);
  const Buffer targets = test::tokens_of({{99, 0, ops::kIgnoreTarget}});
  const std::vector<Rank> ranks = ranks_of(logits, 2, kNaN);
  const Joined joined = join(parts_of(ranks, targets).view(), targets);
  for (const Rank& rank : ranks) {
    const Buffer dlogits = gradient(rank, joined.total, targets, 0.5);
    kernels().cross_entropy_part_backward(stream_, rank.logits.view(), rank.logits.view(),
                                          joined.total.view(), targets.view(), rank.vocabulary,
                                          test::scalar_of(0.5).view());
    EXPECT_TRUE(test::bit_equal(rank.logits.view(), dlogits.view()));
  }
}

// p - 1 = -2e-9 is less than the distance of two floats below 1.
TEST_P(CrossEntropyPart, TheGradientIsExactWhereTheModelIsSureOfTheTarget) {
  const Buffer logits = test::tensor_of(sum_dtype(), {1, 2}, Values{0, -20});
  const Buffer targets = test::tokens_of({{0}});
  const std::vector<Rank> ranks = ranks_of(logits, 2, kNaN);
  const Joined joined = join(parts_of(ranks, targets).view(), targets);
  const double expected = -1 / (1 + std::exp(20.0));
  EXPECT_NEAR(values_of(gradient(ranks[0], joined.total, targets, 1.0).view())[0], expected,
              2 * unit_roundoff(dtype()) * -expected + 0x1p-52);
}

TEST_P(CrossEntropyPart, NaNAndInfiniteLogitsInAnyPartGiveALossThatIsNotFinite) {
  const int64_t V = 17;
  for (const int64_t R : kRanks) {
    for (const double bad : {kNaN, kInf}) {
      for (size_t column = 0; column < V; ++column) {
        Values logits(V, 1.0);
        logits[column] = bad;
        EXPECT_FALSE(std::isfinite(nll_of_one_row(logits, 3, R))) << bad << " in " << column;
      }
      EXPECT_FALSE(std::isfinite(nll_of_one_row(Values(V, bad), 3, R))) << bad;
      // A part of nothing else.
      Values logits(V, 1.0);
      std::fill(logits.end() - 2, logits.end(), bad);
      EXPECT_FALSE(std::isfinite(nll_of_one_row(logits, 3, R))) << bad;
    }
    EXPECT_FALSE(std::isfinite(nll_of_one_row(Values(V, -kInf), 3, R)));
    Values logits(V, 1.0);
    logits[3] = -kInf;
    EXPECT_FALSE(std::isfinite(nll_of_one_row(logits, 3, R)));
  }
}

TEST_P(CrossEntropyPart, TheGradientOfALossThatIsNotFiniteIsNotFinite) {
  Values values(17, 1.0);
  values[16] = kInf;
  const Buffer logits = test::tensor_of(sum_dtype(), {1, 17}, values);
  const Buffer targets = test::tokens_of({{3}});
  const std::vector<Rank> ranks = ranks_of(logits, 2, 0.0);
  const Joined joined = join(parts_of(ranks, targets).view(), targets);
  for (const Rank& rank : ranks) {
    const Values dlogits = values_of(gradient(rank, joined.total, targets, 1.0).view());
    EXPECT_FALSE(std::isfinite(dlogits[0]));
  }
}

}  // namespace
}  // namespace lckv
