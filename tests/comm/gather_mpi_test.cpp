#include <chrono>
#include <cstring>
#include <thread>

#include <gtest/gtest.h>

#include "lckv/comm/mpi_limits.h"
#include "lckv/mpi_test/world.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/refusal.h"
#include "rank_data.h"

namespace lckv::comm {
namespace {

using test::rank_data;
using test::world;

/// Every rank's data, by rank.
Buffer in_a_row(DType dtype, int64_t part, int size) {
  Buffer whole(dtype, {part * size});
  for (int rank = 0; rank < size; ++rank) {
    const Buffer data = rank_data(dtype, part, rank);
    const View to = whole.view().slice(0, part * rank, part * (rank + 1));
    if (part > 0) std::memcpy(to.raw(), data.raw(), static_cast<size_t>(to.bytes()));
  }
  return whole;
}

class Gather : public testing::TestWithParam<int64_t> {
 protected:
  Gather() { set_mpi_limits(*group_, {.message_bytes = GetParam()}); }

  Stream stream_;
  std::unique_ptr<Communicator> group_ = world().split("group", 0);
};

TEST_P(Gather, AllGatherPutsThePartsInARow) {
  for (const DType dtype : {DType::kBF16, DType::kF64, DType::kI32}) {
    for (const int64_t part : {0, 1, 1000, 100003}) {
      const Buffer expected = in_a_row(dtype, part, world().size());
      const Buffer own = rank_data(dtype, part, world().rank());
      const Buffer apart(dtype, {part * world().size()}), inside(dtype, {part * world().size()});
      group_->all_gather(stream_, apart.view(), own.view(), "apart");
      EXPECT_TRUE(test::bit_equal(apart.view(), expected.view())) << name(dtype) << " " << part;
      const int64_t begin = part * world().rank();
      const View mine = inside.view().slice(0, begin, begin + part);
      if (part > 0) std::memcpy(mine.raw(), own.raw(), static_cast<size_t>(own.bytes()));
      group_->all_gather(stream_, inside.view(), mine, "in place");
      EXPECT_TRUE(test::bit_equal(inside.view(), expected.view())) << name(dtype) << " " << part;
    }
  }
}

TEST_P(Gather, BroadcastGivesEveryRankTheRootsData) {
  for (int root = 0; root < world().size(); ++root) {
    for (const int64_t count : {0, 1, 1000, 100003}) {
      const Buffer x = rank_data(DType::kF32, count, world().rank());
      group_->broadcast(stream_, x.view(), root, "weights");
      EXPECT_TRUE(test::bit_equal(x.view(), rank_data(DType::kF32, count, root).view()))
          << "root " << root << ", " << count;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(MessageBytes, Gather, testing::Values(int64_t{1} << 30, int64_t{1000}));

TEST(Mismatch, RefusesRanksThatDisagreeAboutTheLength) {
  const auto group = world().split("tp", 0);
  Stream stream;
  const int64_t part = world().rank() == 0 ? 20 : 10;
  const Buffer x(DType::kF32, {part * world().size()}), own(DType::kF32, {part});
  const auto gather = [&] { group->all_gather(stream, x.view(), own.view(), "weights"); };
  test::expect_refusal<CommError>(gather, "tp: all_gather \"weights\", call 0: ");
  test::expect_refusal<CommError>(gather, "not run, since an earlier one failed");
}

TEST(Barrier, HoldsEveryRankUntilTheLastOneComes) {
  const auto group = world().split("group", 0);
  Stream stream;
  const auto now_s = [] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  for (int late = 0; late < world().size(); ++late) {
    group->barrier("before");
    if (world().rank() == late) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    double arrived_s = now_s();  // one clock for all processes of a machine
    group->barrier("test");
    const double left_s = now_s();
    group->all_reduce(stream, View(&arrived_s, DType::kF64, {1}), ReduceOp::kMax, "last arrival");
    EXPECT_GE(left_s, arrived_s);
  }
}

}  // namespace
}  // namespace lckv::comm
