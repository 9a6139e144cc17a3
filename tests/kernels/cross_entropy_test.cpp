#include "lckv/kernels/ops/cross_entropy.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/test_support/central_difference.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using test::expect_close;
using test::random_tensor;
using test::unit_roundoff;
using test::values_of;
using Values = std::vector<double>;

// dtype() is the dtype of dlogits, sum_dtype() that of the logits.
class CrossEntropy : public test::KernelTest {
 protected:
  void expect_matches_reference(const Buffer& logits, const Buffer& targets, double scale);
};
INSTANTIATE_TEST_SUITE_P(Kernels, CrossEntropy, test::every_dtype_and_table(),
                         test::kernel_case_name);

struct Reference {
  Values nll, dlogits;
};

Reference reference(const ConstView& logits, const ConstView& targets, double scale) {
  Reference result;
  const auto V = static_cast<size_t>(logits.dim(1));
  const Values x = values_of(logits);
  for (int64_t n = 0; n < logits.dim(0); ++n) {
    const int32_t target = targets.data<int32_t>()[n];
    const double* row = x.data() + static_cast<size_t>(n) * V;
    const double largest = *std::max_element(row, row + V);
    double sum = 0;
    for (size_t v = 0; v < V; ++v) sum += std::exp(row[v] - largest);
    const bool scored = target != ops::kIgnoreTarget;
    result.nll.push_back(scored ? std::log(sum) + (largest - row[target]) : 0);
    for (size_t v = 0; v < V; ++v) {
      const double p = std::exp(row[v] - largest) / sum;
      const double is_target = static_cast<int32_t>(v) == target ? 1 : 0;
      result.dlogits.push_back(scored ? scale * (p - is_target) : 0);
    }
  }
  return result;
}

void CrossEntropy::expect_matches_reference(const Buffer& logits, const Buffer& targets,
                                            double scale) {
  const int64_t N = logits.view().dim(0), V = logits.view().dim(1);
  const Buffer nll(sum_dtype(), {N}), nll_alone(sum_dtype(), {N}), dlogits(dtype(), {N, V});
  kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                           targets.view(), test::scalar_of(scale).view());
  kernels().cross_entropy_forward(stream_, nll_alone.view(), logits.view(), targets.view());
  EXPECT_TRUE(test::bit_equal(nll.view(), nll_alone.view()));

  // The sum of at most 2048 terms in the logits' dtype, the subtraction of the maximum (exact to a
  // rounding of the difference d, which the exponential magnifies d-fold; terms with d > 104
  // vanish) and an exponential of 2 ulp.
  const double u = unit_roundoff(sum_dtype());
  const double relative = (static_cast<double>(std::min<int64_t>(V, 2048)) + 104 + 16) * u;
  const Reference expected = reference(logits.view(), targets.view(), scale);
  Values nll_tolerance, dlogits_tolerance;
  for (const double value : expected.nll) {
    nll_tolerance.push_back(relative + 2 * u * std::fabs(value));
  }
  for (const double value : expected.dlogits) {
    dlogits_tolerance.push_back(std::fabs(value) * (relative + 2 * unit_roundoff(dtype())) +
                                scale * u * relative + 0x1p-126);
  }
  expect_close(nll.view(), expected.nll, nll_tolerance);
  expect_close(dlogits.view(), expected.dlogits, dlogits_tolerance);
}

TEST_P(CrossEntropy, MatchesADoubleReference) {
  for (const auto& [N, V] : {std::pair<int64_t, int64_t>{1, 1}, {5, 17}, {9, 2049}, {3, 5000}}) {
    const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1, 3.0);
    expect_matches_reference(logits, test::random_tokens({N}, V, 2), 0.125);
  }
}

TEST_P(CrossEntropy, IsStableForLogitsUpToTenThousand) {
  const Buffer logits = random_tensor(sum_dtype(), {6, 4500}, 1, 3000.0);
  expect_matches_reference(logits, test::random_tokens({6}, 4500, 2), 1.0);
  const Values steps = [] {
    Values values(5000);
    for (size_t i = 0; i < values.size(); ++i) values[i] = -1e4 + 4.0 * static_cast<double>(i);
    return values;
  }();
  expect_matches_reference(test::tensor_of(sum_dtype(), {1, 5000}, steps),
                           test::tokens_of({{4999}}), 1.0);
}

TEST_P(CrossEntropy, IgnoredTargetsGiveExactZeros) {
  const int64_t N = 4, V = 33;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1);
  const Buffer targets = test::tokens_of({{3, ops::kIgnoreTarget, 32, ops::kIgnoreTarget}});
  const Buffer nll = random_tensor(sum_dtype(), {N}, 2),
               dlogits = random_tensor(dtype(), {N, V}, 3);
  kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                           targets.view(), test::scalar_of(0.5).view());
  for (const int64_t n : {1, 3}) {
    EXPECT_EQ(values_of(nll.view())[static_cast<size_t>(n)], 0);
    EXPECT_EQ(values_of(dlogits.view().slice(0, n, n + 1)), Values(static_cast<size_t>(V), 0.0));
  }
  expect_matches_reference(logits, targets, 0.5);
}

TEST_P(CrossEntropy, TheGradientMayReplaceTheLogits) {
  if (dtype() == DType::kBF16) return;  // F32 logits do not fit into BF16 gradients
  const int64_t N = 3, V = 100;
  const Buffer logits = random_tensor(sum_dtype(), {N, V}, 1), nll(sum_dtype(), {N});
  const Buffer targets = test::tokens_of({{99, 0, ops::kIgnoreTarget}}), dlogits(dtype(), {N, V});
  kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                           targets.view(), test::scalar_of(0.5).view());
  kernels().cross_entropy_forward_backward(stream_, nll.view(), logits.view(), logits.view(),
                                           targets.view(), test::scalar_of(0.5).view());
  EXPECT_TRUE(test::bit_equal(logits.view(), dlogits.view()));
}

TEST_P(CrossEntropy, MaskedLogitsHaveNoProbability) {
  const double inf = std::numeric_limits<double>::infinity();
  Values values(4100, -inf);
  values[4098] = 1.5;
  values[4099] = 0.5;
  const Buffer logits = test::tensor_of(sum_dtype(), {1, 4100}, values), nll(sum_dtype(), {1});
  const Buffer targets = test::tokens_of({{4099}}), dlogits(dtype(), {1, 4100});
  kernels().cross_entropy_forward_backward(stream_, nll.view(), dlogits.view(), logits.view(),
                                           targets.view(), test::scalar_of(1.0).view());
  EXPECT_NEAR(values_of(nll.view())[0], std::log1p(std::exp(1.0)), 16 * unit_roundoff(sum_dtype()));
  EXPECT_EQ(values_of(dlogits.view())[0], 0);
}

TEST_P(CrossEntropy, NaNAndInfiniteLogitsGiveALossThatIsNotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    Values values(50, 1.0);
    values[20] = bad;
    const Buffer logits = test::tensor_of(sum_dtype(), {1, 50}, values), nll(sum_dtype(), {1});
    const Buffer targets = test::tokens_of({{3}});
    kernels().cross_entropy_forward(stream_, nll.view(), logits.view(), targets.view());
    EXPECT_FALSE(std::isfinite(values_of(nll.view())[0])) << bad;
  }
}

TEST(CrossEntropyGradient, IsTheCentralDifference) {
  const int64_t N = 3, V = 8;
  const double scale = 0.25;
  const Buffer logits = random_tensor(DType::kF64, {N, V}, 1), dlogits(DType::kF64, {N, V});
  const Buffer targets = test::tokens_of({{7, ops::kIgnoreTarget, 2}}), nll(DType::kF64, {N});
  Stream stream;
  const auto loss = [&] {
    ops::cross_entropy_forward(stream, nll.view(), logits.view(), targets.view());
    double sum = 0;
    for (const double value : values_of(nll.view())) sum += value;
    return scale * sum;
  };
  const Values slopes = test::central_difference(logits.view(), loss);
  ops::cross_entropy_forward_backward(stream, nll.view(), dlogits.view(), logits.view(),
                                      targets.view(), test::scalar_of(scale).view());
  expect_close(dlogits.view(), slopes, Values(slopes.size(), test::central_difference_error(2, 1)));
}

TEST(CrossEntropyChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer logits = random_tensor(DType::kF32, {3, 5}, 1), half(DType::kBF16, {3, 5});
  const Buffer targets(DType::kI32, {3}), few(DType::kI32, {2}), nll(DType::kF32, {3});
  const Buffer wide(DType::kF32, {3, 6}), doubles(DType::kF64, {3, 5});
  const Buffer one(DType::kF64, {1}), pair(DType::kF64, {2}), narrow(DType::kF32, {1});
  Stream stream;
  const auto both = [&](View dlogits, ConstView x, ConstView at) {
    return [=, &stream, &nll, &one] {
      ops::cross_entropy_forward_backward(stream, nll.view(), dlogits, x, at, one.view());
    };
  };
  const auto scaled = [&](const Buffer& scale) {
    return [&] {
      ops::cross_entropy_forward_backward(stream, nll.view(), half.view(), logits.view(),
                                          targets.view(), scale.view());
    };
  };
  test::expect_refusal<ShapeError>(
      scaled(pair), "cross_entropy_forward_backward: scale must have shape [1], got f64[2]");
  test::expect_refusal<DTypeError>(scaled(narrow), "scale must be f64, got f32[1]");
  test::expect_refusal<ShapeError>(
      [&] {
        const ConstView inside = doubles.view().reshape({15}).slice(0, 7, 8);
        const Buffer x(DType::kF64, {3, 5}), loss(DType::kF64, {3});
        ops::cross_entropy_forward_backward(stream, loss.view(), doubles.view(), x.view(),
                                            targets.view(), inside);
      },
      "dlogits = f64[3, 5] on cpu and scale");
  test::expect_refusal<DTypeError>(both(half.view(), half.view(), targets.view()),
                                   "logits must be f32 or f64, got bf16[3, 5]");
  test::expect_refusal<ShapeError>(both(half.view(), logits.view(), few.view()),
                                   "targets must have shape [3], got i32[2]");
  test::expect_refusal<ShapeError>(both(wide.view(), logits.view(), targets.view()),
                                   "dlogits must have shape [3, 5], got f32[3, 6]");
  test::expect_refusal<DTypeError>(both(doubles.view(), logits.view(), targets.view()),
                                   "dlogits must be bf16 or f32, got f64[3, 5]");
  test::expect_refusal<ShapeError>(
      [&] {
        ops::cross_entropy_forward(stream, logits.view().reshape({15}).slice(0, 0, 3),
                                   logits.view(), targets.view());
      },
      "cross_entropy_forward: nll = f32[3] on cpu and logits");
  EXPECT_EQ(values_of(half.view()), Values(15, 0.0));
  EXPECT_EQ(values_of(nll.view()), Values(3, 0.0));
}

}  // namespace
}  // namespace lckv
