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

TEST_P(Reduce, DifferencesAreThoseOfALongDouble) {
  for (const int64_t n : {0, 1, 15, 17, 4097, 100003}) {
    const Buffer x = random_tensor(dtype(), {n}, 1), y = random_tensor(dtype(), {n}, 2);
    const std::vector<double> a = values_of(x.view()), b = values_of(y.view());
    long double squares = 0;
    for (size_t i = 0; i < a.size(); ++i) {
      squares += (static_cast<long double>(a[i]) - b[i]) * (static_cast<long double>(a[i]) - b[i]);
    }
    kernels().sum_of_squared_differences(stream_, total_.view(), x.view(), y.view(),
                                         GradMode::kOverwrite);
    const double relative = static_cast<double>(n + 4) * unit_roundoff(DType::kF64);
    EXPECT_NEAR(values_of(total_.view())[0], static_cast<double>(squares),
                static_cast<double>(squares) * relative);
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
  // A GPU has an order of its own: any two orders of a sum of n terms differ by n eps of their sizes.
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
  EXPECT_EQ(values_of(total.view())[0], 0);
}

}  // namespace
}  // namespace lckv
