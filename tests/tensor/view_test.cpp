#include "lckv/tensor/view.h"

#include <array>
#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lckv {
namespace {

std::array<float, 24> counted() {
  std::array<float, 24> values;
  std::iota(values.begin(), values.end(), 0.0f);
  return values;
}

TEST(View, SlicesAndUnflattensWithoutMovingElements) {
  std::array<float, 24> values = counted();
  const View matrix(values.data(), DType::kF32, {4, 6});
  const View columns = matrix.slice(1, 2, 6);  // [4, 4], row stride 6
  EXPECT_FALSE(columns.is_contiguous());
  EXPECT_EQ(*columns.data<float>(), 2);
  const View heads = columns.unflatten(1, 2, 2).unflatten(0, 2, 2);  // [2, 2, 2, 2]
  EXPECT_EQ(to_string(heads.shape()), "[2, 2, 2, 2]");
  const auto at = [&](int64_t a, int64_t b, int64_t c, int64_t d) {
    return heads.data<float>()[a * heads.stride(0) + b * heads.stride(1) + c * heads.stride(2) +
                               d * heads.stride(3)];
  };
  for (int64_t row = 0; row < 4; ++row) {
    for (int64_t column = 0; column < 4; ++column) {
      EXPECT_EQ(at(row / 2, row % 2, column / 2, column % 2), row * 6 + column + 2);
    }
  }
}

TEST(View, RefusesWhatDoesNotFit) {
  std::array<float, 24> values = counted();
  const View matrix(values.data(), DType::kF32, {4, 6});
  EXPECT_THROW(matrix.slice(0, 2, 5), InternalError);
  EXPECT_THROW(matrix.slice(2, 0, 1), InternalError);
  EXPECT_THROW(matrix.unflatten(1, 4, 2), InternalError);
  EXPECT_THROW(matrix.reshape({5, 5}), InternalError);
  EXPECT_THROW(matrix.slice(1, 0, 3).reshape({12}), InternalError);
  EXPECT_THROW(matrix.data<double>(), DTypeError);
  EXPECT_THROW(View().data<float>(), DTypeError);
}

TEST(View, MayHaveNoElementsAlongAnyExtents) {
  constexpr int64_t kHuge = int64_t{1} << 40;  // kHuge * kHuge does not fit
  const View nothing(nullptr, DType::kF32, {0, kHuge, kHuge});
  EXPECT_EQ(nothing.numel(), 0);
  EXPECT_TRUE(nothing.is_contiguous());
  EXPECT_EQ(nothing.reshape({0}).dim(0), 0);
}

TEST(View, KnowsWhatItOverlaps) {
  std::array<float, 24> values = counted();
  const View matrix(values.data(), DType::kF32, {4, 6});
  EXPECT_TRUE(overlap(matrix.slice(0, 0, 2), matrix.slice(0, 1, 3)));
  EXPECT_FALSE(overlap(matrix.slice(0, 0, 2), matrix.slice(0, 2, 4)));
  EXPECT_FALSE(overlap(matrix, View()));
}

}  // namespace
}  // namespace lckv
