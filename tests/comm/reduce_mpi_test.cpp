#include <array>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lckv/comm/mpi_limits.h"
#include "lckv/mpi_test/world.h"
#include "lckv/test_support/compare.h"
#include "rank_data.h"

namespace lckv::comm {
namespace {

using test::rank_data;
using test::reduced;
using test::world;

constexpr std::array kDTypes = {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64};
constexpr MpiLimits kGathered{.gathered_bytes = int64_t{1} << 40};
constexpr MpiLimits kExchanged{.gathered_bytes = 0};
/// Many rounds, each message in pieces.
constexpr MpiLimits kInSmallSteps{
    .gathered_bytes = 0, .segment_bytes = 5000, .message_bytes = 1000};

class Reduce : public testing::Test {
 protected:
  int size() const { return world().size(); }
  Buffer own_data(DType dtype, int64_t count) const {
    return rank_data(dtype, count, world().rank());
  }
  Buffer expected(DType dtype, int64_t count, ReduceOp op = ReduceOp::kSum) const {
    return reduced(dtype, count, op, test::ranks_in_order(size()));
  }
  Buffer all_reduced(const MpiLimits& limits, Buffer x, ReduceOp op = ReduceOp::kSum) {
    set_mpi_limits(*group_, limits);
    group_->all_reduce(stream_, x.view(), op, "test");
    return x;
  }

  Stream stream_;
  std::unique_ptr<Communicator> group_ = world().split("group", 0);
};

TEST_F(Reduce, AllReduceIsTheSumInRankOrderOnEveryPath) {
  for (const DType dtype : kDTypes) {
    for (const int64_t count : {0, 1, 3, 7, 1000, 100003}) {
      const Buffer sum = expected(dtype, count);
      for (const MpiLimits& limits : {MpiLimits{}, kGathered, kExchanged, kInSmallSteps}) {
        EXPECT_TRUE(test::bit_equal(all_reduced(limits, own_data(dtype, count)).view(), sum.view()))
            << name(dtype) << " " << count << " gathered up to " << limits.gathered_bytes;
      }
    }
  }
}

TEST_F(Reduce, AllReduceIsTheSumInRankOrderOfAMillion) {
  for (const DType dtype : {DType::kBF16, DType::kF64}) {
    const Buffer sum = expected(dtype, 1 << 20);
    for (const MpiLimits& limits : {MpiLimits{}, kGathered}) {
      EXPECT_TRUE(
          test::bit_equal(all_reduced(limits, own_data(dtype, 1 << 20)).view(), sum.view()));
    }
  }
}

TEST_F(Reduce, AnotherOrderOfThreeOrMoreShows) {  // a test of the tests above
  if (size() == 2) return;                        // two numbers have one sum
  std::vector<int> wrong = test::ranks_in_order(size());
  std::swap(wrong.front(), wrong.back());
  for (const MpiLimits& limits : {kGathered, kExchanged}) {
    EXPECT_FALSE(test::bit_equal(all_reduced(limits, own_data(DType::kF32, 1000)).view(),
                                 reduced(DType::kF32, 1000, ReduceOp::kSum, wrong).view()));
  }
}

TEST_F(Reduce, Bf16SumsRoundOnce) {
  // Half a unit in the last place of 1 from every rank but the first: step by step, each would
  // round away to even.
  const float value = world().rank() == 0 ? 1 : 0x1p-8f;
  const BFloat16 sum(1 + static_cast<float>(size() - 1) * 0x1p-8f);
  for (const MpiLimits& limits : {kGathered, kExchanged}) {
    Buffer x(DType::kBF16, {size()});
    for (int i = 0; i < size(); ++i) x.view().data<BFloat16>()[i] = BFloat16(value);
    const Buffer result = all_reduced(limits, std::move(x));
    for (int i = 0; i < size(); ++i) {
      EXPECT_EQ(result.view().data<BFloat16>()[i].bits, sum.bits);
    }
  }
}

TEST_F(Reduce, MaxIsTheLargestOfAllRanks) {
  for (const DType dtype : kDTypes) {
    const Buffer largest = expected(dtype, 1001, ReduceOp::kMax);
    for (const MpiLimits& limits : {kGathered, kExchanged}) {
      EXPECT_TRUE(test::bit_equal(all_reduced(limits, own_data(dtype, 1001), ReduceOp::kMax).view(),
                                  largest.view()));
    }
  }
}

TEST_F(Reduce, MaxLetsANaNOfAnyRankThrough) {
  for (const MpiLimits& limits : {kGathered, kExchanged}) {
    // Element i is NaN on rank i and infinite elsewhere; the last one is a number everywhere.
    Buffer x(DType::kF32, {size() + 1});
    auto* values = x.view().data<float>();
    for (int i = 0; i < size(); ++i) values[i] = std::numeric_limits<float>::infinity();
    values[world().rank()] = std::numeric_limits<float>::quiet_NaN();
    values[size()] = static_cast<float>(world().rank());
    const Buffer result = all_reduced(limits, std::move(x), ReduceOp::kMax);
    for (int i = 0; i < size(); ++i) {
      EXPECT_TRUE(std::isnan(result.view().data<float>()[i])) << i;
    }
    EXPECT_EQ(result.view().data<float>()[size()], static_cast<float>(size() - 1));
  }
}

TEST_F(Reduce, ReduceScatterLeavesThePartOfAllReduce) {
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64}) {
    for (const int64_t part : {0, 1, 7, 1000, 30011}) {
      const Buffer sum = expected(dtype, part * size());
      const int64_t begin = part * world().rank();
      const ConstView mine = sum.view().slice(0, begin, begin + part);
      for (const MpiLimits& limits : {MpiLimits{}, kInSmallSteps}) {
        set_mpi_limits(*group_, limits);
        const Buffer x = own_data(dtype, part * size()), own(dtype, {part});
        group_->reduce_scatter(stream_, own.view(), x.view(), "apart");
        EXPECT_TRUE(test::bit_equal(own.view(), mine)) << name(dtype) << " " << part;
        const Buffer again = own_data(dtype, part * size());
        const View inside = again.view().slice(0, begin, begin + part);
        group_->reduce_scatter(stream_, inside, again.view(), "in place");
        EXPECT_TRUE(test::bit_equal(inside, mine)) << name(dtype) << " " << part;
      }
    }
  }
}

}  // namespace
}  // namespace lckv::comm
