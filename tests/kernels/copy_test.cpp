#include "lckv/kernels/ops/copy.h"

#include <cmath>
#include <limits>

#include "lckv/test_support/compare.h"
#include "lckv/test_support/kernel_test.h"
#include "lckv/test_support/random_tensor.h"
#include "lckv/test_support/refusal.h"

namespace lckv {
namespace {

using test::random_tensor;
using test::unit_roundoff;
using test::values_of;
using Values = std::vector<double>;

constexpr DType kFloats[] = {DType::kBF16, DType::kF32, DType::kF64};

// dtype() is the dtype that is copied from or added to.
class Copy : public test::KernelTest {};
INSTANTIATE_TEST_SUITE_P(Kernels, Copy, test::every_dtype_and_table(), test::kernel_case_name);

TEST_P(Copy, CastsWithOneRoundingToNearest) {
  const Buffer from = random_tensor(dtype(), {3, 7, 11}, 1);
  const Values values = values_of(from.view());
  for (const DType wanted : kFloats) {
    const Buffer to(wanted, {3, 7, 11});
    kernels().copy(stream_, to.view(), from.view());
    Values tolerance;
    for (const double value : values) tolerance.push_back(std::fabs(value) * unit_roundoff(wanted));
    test::expect_close(to.view(), values, tolerance);
  }
}

// bf16 has 8 significant bits: between 1 and 1 + 2^-7 the middle is 1 + 2^-8.
TEST_P(Copy, BreaksTiesToEvenAndKeepsSpecialValues) {
  if (dtype() == DType::kBF16) return;  // nothing is rounded
  const double inf = std::numeric_limits<double>::infinity();
  const double above_tie =
      dtype() == DType::kF64 ? 0x1p-40 : 0x1p-20;  // lost by a rounding to float first
  const Values values = {1 + 0x1p-8,
                         1 + 0x3p-8,
                         1 + 0x1p-8 + above_tie,
                         -1 - 0x1p-8 - above_tie,
                         3.39e38,
                         3.4e38,
                         inf,
                         -inf,
                         0x1p-133,
                         -0.0};
  const Values expected = {1,   1 + 0x1p-6, 1 + 0x1p-7, -1 - 0x1p-7, 0x1.fep127,
                           inf, inf,        -inf,       0x1p-133,    -0.0};
  const auto n = static_cast<int64_t>(values.size());
  const Buffer from = test::tensor_of(dtype(), {n}, values), to(DType::kBF16, {n});
  kernels().copy(stream_, to.view(), from.view());
  EXPECT_EQ(values_of(to.view()), expected);
  const Buffer nan = test::tensor_of(dtype(), {1}, {{std::nan("")}}), nan_to(DType::kBF16, {1});
  kernels().copy(stream_, nan_to.view(), nan.view());
  EXPECT_TRUE(std::isnan(values_of(nan_to.view())[0]));
}

TEST_P(Copy, CopiesStridedRowsAndNothingBetween) {
  const Buffer from = random_tensor(dtype(), {5, 20}, 1);
  for (const DType wanted : kFloats) {
    const Buffer to = random_tensor(wanted, {5, 9}, 2), exact(wanted, {5, 6});
    const Buffer before = random_tensor(wanted, {5, 9}, 2);
    const View part = to.view().slice(1, 2, 8);
    kernels().copy(stream_, part, from.view().slice(1, 10, 16));
    const Buffer whole(wanted, {5, 20});
    kernels().copy(stream_, whole.view(), from.view());
    EXPECT_EQ(values_of(part), values_of(whole.view().slice(1, 10, 16)));
    EXPECT_EQ(values_of(to.view().slice(1, 0, 2)), values_of(before.view().slice(1, 0, 2)));
    EXPECT_EQ(values_of(to.view().slice(1, 8, 9)), values_of(before.view().slice(1, 8, 9)));
  }
}

TEST_P(Copy, NumberedRowsGoWhereTheyAreSent) {
  for (const int64_t columns : {5, 8, 64}) {
    const Buffer from = random_tensor(dtype(), {6, columns + 8}, 1);
    const Buffer to = random_tensor(dtype(), {7, columns + 8}, 2);
    const Values before = values_of(to.view()), source = values_of(from.view());
    const Buffer to_row = test::tokens_of(std::vector<int32_t>{6, 0, 3});
    const Buffer from_row = test::tokens_of(std::vector<int32_t>{2, 2, 5});
    kernels().copy_numbered_rows(stream_, to.view().slice(1, 8, 8 + columns), to_row.view(),
                                 from.view().slice(1, 0, columns), from_row.view());
    Values expected = before;
    const auto width = static_cast<size_t>(columns + 8);
    for (const auto& [target, origin] : {std::pair(6, 2), std::pair(0, 2), std::pair(3, 5)}) {
      for (size_t c = 0; c < static_cast<size_t>(columns); ++c) {
        expected[static_cast<size_t>(target) * width + 8 + c] =
            source[static_cast<size_t>(origin) * width + c];
      }
    }
    EXPECT_EQ(values_of(to.view()), expected) << columns << " columns";
  }
}

TEST_P(Copy, AddRoundsOnceToTheDtypeOfTheSum) {
  const int64_t n = 1001;
  for (const DType narrow : kFloats) {
    if (size_bytes(narrow) > size_bytes(dtype())) continue;
    const Buffer to = random_tensor(dtype(), {n}, 1), from = random_tensor(narrow, {n}, 2);
    Values expected = values_of(to.view()), tolerance;
    const Values added = values_of(from.view());
    for (size_t i = 0; i < expected.size(); ++i) {
      expected[i] += added[i];
      // BF16 sums pass through a float.
      tolerance.push_back(std::fabs(expected[i]) *
                          (unit_roundoff(dtype()) + 2 * unit_roundoff(sum_dtype())));
    }
    kernels().add(stream_, to.view(), from.view());
    test::expect_close(to.view(), expected, tolerance);
  }
}

TEST_P(Copy, AddOfItselfDoubles) {
  const Buffer x = random_tensor(dtype(), {77}, 1);
  Values expected = values_of(x.view());
  for (double& value : expected) value *= 2;
  kernels().add(stream_, x.view(), x.view());
  EXPECT_EQ(values_of(x.view()), expected);
}

TEST_P(Copy, FillZeroClearsEveryElement) {
  const Buffer whole = random_tensor(dtype(), {20011}, 1);
  const Buffer before = random_tensor(dtype(), {20011}, 1);
  kernels().fill_zero(stream_, whole.view().slice(0, 5, 20006));
  EXPECT_EQ(values_of(whole.view().slice(0, 5, 20006)), Values(20001, 0.0));
  EXPECT_EQ(values_of(whole.view().slice(0, 0, 5)), values_of(before.view().slice(0, 0, 5)));
  EXPECT_EQ(values_of(whole.view().slice(0, 20006, 20011)),
            values_of(before.view().slice(0, 20006, 20011)));
}

TEST(CopyChecks, RefuseWrongArgumentsAndTouchNothing) {
  const Buffer to(DType::kF32, {4, 6}), from = random_tensor(DType::kF32, {4, 6}, 1);
  const Buffer turned = random_tensor(DType::kF32, {6, 4}, 1), tokens(DType::kI32, {4, 6});
  const Buffer wide = random_tensor(DType::kF64, {4, 6}, 1), deep(DType::kF32, {4, 6, 2});
  Stream stream;
  const auto copy = [&](View a, ConstView b) { return [=, &stream] { ops::copy(stream, a, b); }; };
  test::expect_refusal<ShapeError>(copy(to.view(), turned.view()),
                                   "copy: from must have shape [4, 6], got f32[6, 4]");
  test::expect_refusal<DTypeError>(copy(to.view(), tokens.view()),
                                   "copy: from must be bf16 or f32 or f64, got i32[4, 6]");
  test::expect_refusal<ShapeError>(copy(deep.view().slice(1, 0, 3), deep.view().slice(1, 3, 6)),
                                   "must be contiguous");
  test::expect_refusal<ShapeError>(copy(from.view().slice(0, 0, 3), from.view().slice(0, 1, 4)),
                                   "must not overlap");
  test::expect_refusal<DTypeError>([&] { ops::add(stream, to.view(), wide.view()); },
                                   "add: from = f64[4, 6] on cpu must not be wider than to");
  test::expect_refusal<ShapeError>(
      [&] { ops::add(stream, to.view().slice(1, 0, 3), from.view().slice(1, 0, 3)); },
      "add: to = f32[4, 3] on cpu must be contiguous");
  test::expect_refusal<ShapeError>([&] { ops::fill_zero(stream, from.view().slice(1, 0, 3)); },
                                   "fill_zero: x = f32[4, 3] on cpu must be contiguous");
  EXPECT_EQ(values_of(to.view()), Values(24, 0.0));
  EXPECT_TRUE(test::bit_equal(from.view(), random_tensor(DType::kF32, {4, 6}, 1).view()));
}

TEST(CopyChecks, RefuseAViewOfAnotherDeviceOrWithoutMemory) {
  const Buffer x(DType::kF32, {4});
  const Device cuda{DeviceKind::kCuda, 1};
  const View elsewhere(x.raw(), DType::kF32, {4}, cuda), planned(nullptr, DType::kF32, {4});
  Stream stream;
  test::expect_refusal<DTypeError>([&] { ops::copy(stream, x.view(), elsewhere); },
                                   "copy: from = f32[4] on cuda:1 must be on cpu");
  test::expect_refusal<ShapeError>([&] { ops::copy(stream, planned, x.view()); },
                                   "copy: to = f32[4] on cpu has no memory");
}

}  // namespace
}  // namespace lckv
