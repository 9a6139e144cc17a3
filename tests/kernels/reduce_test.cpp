#include "lckv/kernels/ops/reduce.h"

#include <cmath>
#include <limits>

#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using ops::GradMode;
using test::random_tensor;
using test::unit_roundoff;
using test::values_of;

class Reduce : public test::KernelTest {
 protected:
  double sum(const ConstView& x) {
    kernels().sum(stream_, total_.view(), x, GradMode::kOverwrite);
    return values_of(total_.view())[0];
  }
  double sum_of_squares(const ConstView& x) {
    kernels().sum_of_squares(stream_, total_.view(), x, GradMode::kOverwrite);
    return values_of(total_.view())[0];
  }

  Buffer total_ = random_tensor(DType::kF64, {1}, 99);
};
INSTANTIATE_TEST_SUITE_P(Kernels, Reduce, test::every_dtype_and_table(), test::kernel_case_name);

TEST_P(Reduce, SumsAreThoseOfALongDouble) {
  for (const int64_t n : {0, 1, 15, 17, 4096, 4097, 100003}) {
    const Buffer x = random_tensor(dtype(), {n}, 1);
    long double plain = 0, squares = 0, magnitude = 0;
    for (const double value : values_of(x.view())) {
      plain += value;
      squares += static_cast<long double>(value) * value;
      magnitude += std::fabs(value);
    }
    const double relative = static_cast<double>(n + 1) * unit_roundoff(DType::kF64);
    EXPECT_NEAR(sum(x.view()), static_cast<double>(plain),
                static_cast<double>(magnitude) * relative);
    EXPECT_NEAR(sum_of_squares(x.view()), static_cast<double>(squares),
                static_cast<double>(squares) * relative);
  }
}

/// Of each row [C]: the squares of its change and of itself, [N, 2].
std::vector<double> changes_of(const ops::KernelTable& kernels, const ConstView& x,
                               const ConstView& before) {
  Stream stream;
  const Buffer squares(DType::kF64, {x.dim(0), 2});
  kernels.row_changes(stream, squares.view(), x, before);
  return values_of(squares.view());
}

TEST_P(Reduce, ChangesOfRowsAreThoseOfALongDouble) {
  for (const Shape& shape : {Shape{1, 1}, {3, 15}, {9, 17}, {2, 4097}, {700, 64}}) {
    const Buffer x = random_tensor(dtype(), shape, 1), before = random_tensor(dtype(), shape, 2);
    const std::vector<double> a = values_of(x.view()), b = values_of(before.view());
    const std::vector<double> found = changes_of(kernels(), x.view(), before.view());
    const auto columns = static_cast<size_t>(shape[1]);
    const double relative = static_cast<double>(columns + 4) * unit_roundoff(DType::kF64);
    for (size_t row = 0; row < static_cast<size_t>(shape[0]); ++row) {
      long double change = 0, size = 0;
      for (size_t i = row * columns; i < (row + 1) * columns; ++i) {
        const long double value = a[i];
        change += (value - b[i]) * (value - b[i]);
        size += value * value;
      }
      EXPECT_NEAR(found[2 * row], double(change), double(change) * relative);
      EXPECT_NEAR(found[2 * row + 1], double(size), double(size) * relative);
    }
  }
}

TEST_P(Reduce, ChangesOfRowsOfWiderTensorsAreThoseOfTheRowsAlone) {
  const Buffer x = random_tensor(dtype(), {5, 50}, 1), before = random_tensor(dtype(), {5, 70}, 2);
  const ConstView now = x.view().slice(1, 7, 44), old = before.view().slice(1, 3, 40);
  const Buffer own = test::tensor_of(dtype(), {5, 37}, values_of(now));
  const Buffer own_old = test::tensor_of(dtype(), {5, 37}, values_of(old));
  EXPECT_EQ(changes_of(kernels(), now, old), changes_of(kernels(), own.view(), own_old.view()));
}

TEST_P(Reduce, ABadElementSpoilsTheChangeOfItsRowAlone) {
  std::vector<double> values(5 * 100, 1.0);
  values[2 * 100 + 99] = std::nan("");
  const Buffer x = test::tensor_of(dtype(), {5, 100}, values);
  const Buffer ones = test::tensor_of(dtype(), {5, 100}, std::vector<double>(5 * 100, 1.0));
  for (const bool is_new : {true, false}) {
    const auto found = is_new ? changes_of(kernels(), x.view(), ones.view())
                              : changes_of(kernels(), ones.view(), x.view());
    for (size_t row = 0; row < 5; ++row) {
      EXPECT_EQ(std::isfinite(found[2 * row]), row != 2);
      EXPECT_EQ(std::isfinite(found[2 * row + 1]), row != 2 || !is_new);
    }
  }
}

TEST_P(Reduce, ArgmaxIsTheFirstOfTheLargest) {
  if (dtype() == DType::kBF16) return;  // logits are F32 or F64
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<double> values(7 * 300, -1.0);
  values[0 * 300 + 299] = 2;                              // the last column
  values[1 * 300 + 40] = values[1 * 300 + 41] = 3;        // equal ones
  values[2 * 300 + 5] = nan, values[2 * 300 + 6] = 0;     // NaN is passed over
  std::fill_n(values.begin() + 3 * 300, 300, nan);        // nothing else
  std::fill_n(values.begin() + 4 * 300, 300, -infinity);  // the first
  values[5 * 300 + 250] = infinity;
  const Buffer x = test::tensor_of(dtype(), {7, 300}, values);
  const Buffer index(DType::kI32, {7});
  kernels().argmax(stream_, index.view(), x.view());
  const auto* found = index.view().data<int32_t>();
  EXPECT_EQ(std::vector<int32_t>(found, found + 7),
            (std::vector<int32_t>{299, 40, 6, 0, 0, 250, 0}));
  // Rows of a wider tensor.
  kernels().argmax(stream_, index.view(), x.view().slice(1, 41, 300));
  EXPECT_EQ(std::vector<int32_t>(found, found + 3), (std::vector<int32_t>{258, 0, 0}));
}

TEST_P(Reduce, EveryInstructionSetSumsInTheSameOrder) {
  const Buffer x = random_tensor(dtype(), {10007}, 1);
  const double here = sum(x.view());
  ops::baseline::table().sum(stream_, total_.view(), x.view(), GradMode::kOverwrite);
  // A GPU has an order of its own: any two orders of a sum of n terms differ by n eps of their
  // sizes.
  const bool is_cpu = kernels().name != std::string_view("cuda");
  double sizes = 0;
  for (const double value : values_of(x.view())) sizes += std::fabs(value);
  const double tolerance = is_cpu ? 0 : 10007 * 0x1p-53 * sizes;
  EXPECT_NEAR(here, values_of(total_.view())[0], tolerance);
}

TEST_P(Reduce, AccumulatingAddsToTheTotal) {
  const Buffer x = random_tensor(dtype(), {3, 7}, 1);
  const double plain = sum(x.view()), squares = sum_of_squares(x.view());
  kernels().sum(stream_, total_.view(), x.view(), GradMode::kAccumulate);
  EXPECT_EQ(values_of(total_.view())[0], squares + plain);
  kernels().sum_of_squares(stream_, total_.view(), x.view(), GradMode::kAccumulate);
  EXPECT_EQ(values_of(total_.view())[0], squares + plain + squares);
}

TEST_P(Reduce, OneBadElementMakesTheTotalNotFinite) {
  for (const double bad : {std::nan(""), std::numeric_limits<double>::infinity()}) {
    for (const size_t at : {size_t{0}, size_t{4999}}) {
      std::vector<double> values(5000, 1.0);
      values[at] = bad;
      const Buffer x = test::tensor_of(dtype(), {5000}, values);
      EXPECT_FALSE(std::isfinite(sum_of_squares(x.view()))) << bad << " at " << at;
      EXPECT_FALSE(std::isfinite(sum(x.view()))) << bad << " at " << at;
    }
  }
}

double clip(const ops::KernelTable& kernels, double squares, double max_norm) {
  Stream stream;
  const Buffer scale(DType::kF64, {1}), total = test::tensor_of(DType::kF64, {1}, {{squares}});
  kernels.clip_scale(stream, scale.view(), total.view(), max_norm);
  return values_of(scale.view())[0];
}

TEST_P(Reduce, ClipScaleLimitsTheNorm) {
  EXPECT_DOUBLE_EQ(clip(kernels(), 16, 1), 1 / (4 + 1e-6));
  EXPECT_EQ(clip(kernels(), 0.25, 1), 1);
  EXPECT_EQ(clip(kernels(), 1e8, 0), 1);
  EXPECT_EQ(clip(kernels(), 0, 1), 1);
  EXPECT_TRUE(std::isnan(clip(kernels(), std::nan(""), 1)));
}

TEST(ReduceChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer x = random_tensor(DType::kF64, {8, 4}, 1), total(DType::kF64, {1});
  const Buffer small(DType::kF32, {1}), pair(DType::kF64, {2}), tokens(DType::kI32, {4});
  Stream stream;
  const auto call = [&](View to, ConstView from) {
    return [=, &stream] { ops::sum_of_squares(stream, to, from, GradMode::kOverwrite); };
  };
  test::expect_refusal<DTypeError>(call(small.view(), x.view()),
                                   "sum_of_squares: total must be f64, got f32[1]");
  test::expect_refusal<ShapeError>(call(pair.view(), x.view()),
                                   "sum_of_squares: total must have shape [1], got f64[2]");
  test::expect_refusal<DTypeError>(call(total.view(), tokens.view()),
                                   "x must be bf16 or f32 or f64");
  test::expect_refusal<ShapeError>(call(total.view(), x.view().slice(1, 0, 2)),
                                   "must be contiguous");
  test::expect_refusal<ShapeError>(call(x.view().reshape({32}).slice(0, 3, 4), x.view()),
                                   "must not overlap");
  test::expect_refusal<ShapeError>([&] { ops::clip_scale(stream, small.view(), total.view(), -1); },
                                   "clip_scale: max_norm must not be negative, got -1");
  const auto change = [&](View to, ConstView now, ConstView old) {
    return [=, &stream] { ops::row_changes(stream, to, now, old); };
  };
  const Buffer changes(DType::kF64, {8, 2}), single(DType::kF32, {8, 4});
  test::expect_refusal<ShapeError>(change(pair.view(), x.view(), x.view()),
                                   "row_changes: squares must have shape [8, 2], got f64[2]");
  test::expect_refusal<DTypeError>(change(changes.view(), x.view(), single.view()),
                                   "row_changes: before must be f64, got f32[8, 4]");
  test::expect_refusal<ShapeError>(change(changes.view(), x.view(), x.view().slice(0, 1, 8)),
                                   "row_changes: before must have shape [8, 4], got f64[7, 4]");
  test::expect_refusal<ShapeError>(change(x.view().slice(1, 0, 2), x.view(), x.view()),
                                   "row_changes: squares = f64[8, 2] on cpu must be contiguous");
  EXPECT_EQ(values_of(changes.view()), std::vector<double>(16, 0.0));
  EXPECT_EQ(values_of(total.view())[0], 0);
}

}  // namespace
}  // namespace lckv
