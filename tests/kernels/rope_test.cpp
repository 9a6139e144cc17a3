#include "lckv/kernels/ops/rope.h"

#include <cmath>
#include <numeric>

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

class Rope : public test::KernelTest {
 protected:
  static constexpr int64_t kPositions = 50, kHeads = 3, kWidth = 10, kHalf = kWidth / 2;
  static constexpr double kTheta = 10000;

  Rope() { kernels().rope_tables(stream_, cos_.view(), sin_.view(), kTheta); }

  Buffer cos_{sum_dtype(), {kPositions, kHalf}};
  Buffer sin_{sum_dtype(), {kPositions, kHalf}};
};
INSTANTIATE_TEST_SUITE_P(Kernels, Rope, test::every_dtype_and_table(), test::kernel_case_name);

// The rotation of pair (j, j + D/2) as a complex product.
Values rotated(const Values& x, const ConstView& positions, int64_t heads, int64_t width,
               double theta, double direction) {
  Values y(x.size());
  const int64_t half = width / 2;
  for (int64_t n = 0; n < positions.dim(0); ++n) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t j = 0; j < half; ++j) {
        const auto at = static_cast<size_t>((n * heads + h) * width + j);
        const auto pair = at + static_cast<size_t>(half);
        const double frequency =
            std::pow(theta, -2.0 * static_cast<double>(j) / static_cast<double>(width));
        const double angle = direction * positions.data<int32_t>()[n] * frequency;
        y[at] = x[at] * std::cos(angle) - x[pair] * std::sin(angle);
        y[pair] = x[pair] * std::cos(angle) + x[at] * std::sin(angle);
      }
    }
  }
  return y;
}

// Two products of a rounded table entry, a sum, and the last rounding; the angle itself errs in
// double.
Values rotation_tolerance(const Values& x, DType dtype, double positions) {
  double largest = 0;
  for (const double value : x) largest = std::max(largest, std::fabs(value));
  const double u = 6 * unit_roundoff(accumulator(dtype)) + 2 * unit_roundoff(dtype);
  return Values(x.size(), 2 * largest * (u + 2 * positions * unit_roundoff(DType::kF64)));
}

TEST_P(Rope, RotatesPairsByTheAngleOfThePosition) {
  const int64_t N = 7;
  const Buffer x = random_tensor(dtype(), {N, kHeads, kWidth}, 1);
  const Buffer positions = test::random_tokens({N}, kPositions, 2);
  const Values before = values_of(x.view());
  kernels().rope_forward(stream_, x.view(), cos_.view(), sin_.view(), positions.view());
  expect_close(x.view(), rotated(before, positions.view(), kHeads, kWidth, kTheta, 1),
               rotation_tolerance(before, dtype(), kPositions));
}

TEST_P(Rope, BackwardIsTheTransposedRotation) {
  const int64_t N = 7;
  const Buffer dx = random_tensor(dtype(), {N, kHeads, kWidth}, 1);
  const Buffer positions = test::random_tokens({N}, kPositions, 2);
  const Values before = values_of(dx.view());
  kernels().rope_backward(stream_, dx.view(), cos_.view(), sin_.view(), positions.view());
  expect_close(dx.view(), rotated(before, positions.view(), kHeads, kWidth, kTheta, -1),
               rotation_tolerance(before, dtype(), kPositions));
}

TEST_P(Rope, RotatesStridedRowsAndNothingBetween) {
  const int64_t N = 5, row = 2 * kHeads * kWidth;
  const Buffer whole = random_tensor(dtype(), {N, row}, 1);
  const View part =
      whole.view().slice(1, kWidth, (1 + kHeads) * kWidth).unflatten(1, kHeads, kWidth);
  const Buffer positions = test::random_tokens({N}, kPositions, 2);
  const Values before = values_of(part), all_before = values_of(whole.view());
  kernels().rope_forward(stream_, part, cos_.view(), sin_.view(), positions.view());
  expect_close(part, rotated(before, positions.view(), kHeads, kWidth, kTheta, 1),
               rotation_tolerance(before, dtype(), kPositions));
  const Values all_after = values_of(whole.view());
  for (int64_t i = 0; i < N * row; ++i) {
    const int64_t column = i % row;
    if (column >= kWidth && column < (1 + kHeads) * kWidth) continue;
    EXPECT_EQ(all_after[static_cast<size_t>(i)], all_before[static_cast<size_t>(i)]);
  }
}

TEST_P(Rope, TablesAreRoundedOnce) {
  Values expected_cos, expected_sin;
  for (int64_t p = 0; p < kPositions; ++p) {
    for (int64_t j = 0; j < kHalf; ++j) {
      const double angle =
          static_cast<double>(p) * std::pow(kTheta, -2.0 * static_cast<double>(j) / kWidth);
      expected_cos.push_back(std::cos(angle));
      expected_sin.push_back(std::sin(angle));
    }
  }
  const double u = unit_roundoff(sum_dtype()) + 2 * kPositions * unit_roundoff(DType::kF64);
  expect_close(cos_.view(), expected_cos, Values(expected_cos.size(), u));
  expect_close(sin_.view(), expected_sin, Values(expected_sin.size(), u));
}

TEST(RopeScores, DependOnTheDistanceOfPositionsOnly) {
  const int64_t P = 64, D = 8;
  const Buffer cos(DType::kF64, {P, D / 2}), sin(DType::kF64, {P, D / 2});
  Stream stream;
  ops::rope_tables(stream, cos.view(), sin.view(), 10000);
  const auto score = [&](int32_t query, int32_t key) {
    const Buffer q = random_tensor(DType::kF64, {1, 1, D}, 1);
    const Buffer k = random_tensor(DType::kF64, {1, 1, D}, 2);
    const Buffer at_query = test::tokens_of({{query}}), at_key = test::tokens_of({{key}});
    ops::rope_forward(stream, q.view(), cos.view(), sin.view(), at_query.view());
    ops::rope_forward(stream, k.view(), cos.view(), sin.view(), at_key.view());
    const Values qs = values_of(q.view()), ks = values_of(k.view());
    return std::inner_product(qs.begin(), qs.end(), ks.begin(), 0.0);
  };
  EXPECT_NEAR(score(5, 2), score(63, 60), 64 * 64 * unit_roundoff(DType::kF64));
  EXPECT_GT(std::fabs(score(5, 2) - score(5, 3)), 1e-3);
}

TEST(RopeChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer x = random_tensor(DType::kF32, {4, 2, 6}, 1), odd(DType::kF32, {4, 2, 5});
  const Buffer cos(DType::kF32, {9, 3}), sin(DType::kF32, {9, 3}), wide(DType::kF32, {9, 4});
  const Buffer cos64(DType::kF64, {9, 3}), sin64(DType::kF64, {9, 3});
  const Buffer positions(DType::kI32, {4}), few(DType::kI32, {3}), real(DType::kF32, {4});
  const Values before = values_of(x.view());
  Stream stream;
  const auto rope = [&](View rotate, ConstView c, ConstView s, ConstView at) {
    return [=, &stream] { ops::rope_forward(stream, rotate, c, s, at); };
  };
  test::expect_refusal<ShapeError>(rope(odd.view(), cos.view(), sin.view(), positions.view()),
                                   "rope_forward: the head width must be even, got 5");
  test::expect_refusal<ShapeError>(rope(x.view(), wide.view(), wide.view(), positions.view()),
                                   "rope_forward: cos must have shape [9, 3], got f32[9, 4]");
  test::expect_refusal<ShapeError>(rope(x.view(), cos.view(), wide.view(), positions.view()),
                                   "rope_forward: sin must have shape [9, 3]");
  test::expect_refusal<DTypeError>(rope(x.view(), cos64.view(), sin64.view(), positions.view()),
                                   "rope_forward: cos must be f32, got f64[9, 3]");
  test::expect_refusal<ShapeError>(rope(x.view(), cos.view(), sin.view(), few.view()),
                                   "rope_forward: positions must have shape [4]");
  test::expect_refusal<DTypeError>(rope(x.view(), cos.view(), sin.view(), real.view()),
                                   "rope_forward: positions must be i32, got f32[4]");
  test::expect_refusal<ShapeError>([&] { ops::rope_tables(stream, cos.view(), cos.view(), 1e4); },
                                   "rope_tables: cos = f32[9, 3] on cpu and sin");
  EXPECT_EQ(values_of(x.view()), before);
}

}  // namespace
}  // namespace lckv
