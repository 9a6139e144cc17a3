#include "lckv/comm/rank_order.h"

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/test_support/compare.h"
#include "rank_data.h"

namespace lckv::comm {
namespace {

using test::rank_data;
using test::reduced;

constexpr std::array kDTypes = {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64};
constexpr int kRanks = 5;

Buffer combined(DType dtype, int64_t count, ReduceOp op, const std::vector<int>& order) {
  std::vector<Buffer> data;
  std::vector<const void*> from;
  for (const int rank : order) {
    data.push_back(rank_data(dtype, count, rank));
    from.push_back(data.back().raw());
  }
  Buffer result(dtype, {count});
  combine_in_rank_order(dtype, op, result.raw(), from, count);
  return result;
}

template <class T>
T combined_values(ReduceOp op, const std::vector<T>& values) {
  std::vector<const void*> from;
  for (const T& value : values) from.push_back(&value);
  T result{};
  combine_in_rank_order(dtype_of<T>(), op, &result, from, 1);
  return result;
}

TEST(RankOrder, EqualsTheContractElementByElement) {
  const std::vector<int> order = test::ranks_in_order(kRanks);
  for (const DType dtype : kDTypes) {
    for (const int64_t count : {1, 7, 2048, 2049, 5000}) {
      for (const ReduceOp op : {ReduceOp::kSum, ReduceOp::kMax}) {
        EXPECT_TRUE(test::bit_equal(combined(dtype, count, op, order).view(),
                                    reduced(dtype, count, op, order).view()))
            << name(dtype) << " " << count;
      }
    }
  }
}

TEST(RankOrder, ShowsInTheBits) {  // else the law above would pass for any order
  for (const DType dtype : {DType::kF32, DType::kF64}) {
    EXPECT_FALSE(test::bit_equal(combined(dtype, 1000, ReduceOp::kSum, {0, 1, 2}).view(),
                                 reduced(dtype, 1000, ReduceOp::kSum, {2, 1, 0}).view()));
  }
}

TEST(RankOrder, MayWriteOverOneOfItsInputs) {
  std::vector<Buffer> data;
  std::vector<const void*> from;
  for (int rank = 0; rank < 3; ++rank) {
    data.push_back(rank_data(DType::kBF16, 5000, rank));
    from.push_back(data.back().raw());
  }
  combine_in_rank_order(DType::kBF16, ReduceOp::kSum, data[1].raw(), from, 5000);
  EXPECT_TRUE(test::bit_equal(data[1].view(),
                              reduced(DType::kBF16, 5000, ReduceOp::kSum, {0, 1, 2}).view()));
}

TEST(RankOrder, RoundsBf16Once) {
  // 2^-8 is half a unit in the last place of 1: rounded step by step it would vanish each time.
  const BFloat16 one(1.0f), half_unit(0x1p-8f);
  const BFloat16 sum = combined_values<BFloat16>(ReduceOp::kSum, {one, half_unit, half_unit});
  EXPECT_EQ(static_cast<float>(sum), 1 + 0x1p-7f);
}

TEST(RankOrder, WrapsIntegers) {
  EXPECT_EQ(combined_values<int32_t>(ReduceOp::kSum, {std::numeric_limits<int32_t>::max(), 1}),
            std::numeric_limits<int32_t>::min());
  EXPECT_EQ(combined_values<int64_t>(ReduceOp::kSum, {std::numeric_limits<int64_t>::max(), 1}),
            std::numeric_limits<int64_t>::min());
}

TEST(RankOrder, KeepsANaNFromAnyRank) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float inf = std::numeric_limits<float>::infinity();
  for (const std::vector<float>& values :
       {std::vector{nan, 1.0f, inf}, std::vector{inf, nan, 2.0f}, std::vector{1.0f, inf, nan}}) {
    EXPECT_TRUE(std::isnan(combined_values(ReduceOp::kMax, values)));
    std::vector<double> wide(values.begin(), values.end());
    EXPECT_TRUE(std::isnan(combined_values(ReduceOp::kMax, wide)));
    std::vector<BFloat16> narrow;
    for (const float value : values) narrow.emplace_back(value);
    EXPECT_TRUE(std::isnan(static_cast<float>(combined_values(ReduceOp::kMax, narrow))));
  }
  EXPECT_EQ(combined_values<float>(ReduceOp::kMax, {-inf, -3, -5}), -3);
}

}  // namespace
}  // namespace lckv::comm
