#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/timeline.h"
#include "lckv/mpi_test/world.h"
#include "lckv/test_support/compare.h"
#include "rank_data.h"

namespace lckv::comm {
namespace {

using test::rank_data;
using test::reduced;
using test::world;

constexpr int64_t kCount = 60000;

class Started : public testing::Test {
 protected:
  Buffer expected(DType dtype, int64_t count) const {
    return reduced(dtype, count, ReduceOp::kSum, test::ranks_in_order(world().size()));
  }
  Buffer own_data(DType dtype, int64_t count) const {
    return rank_data(dtype, count, world().rank());
  }

  Stream stream_;
  std::unique_ptr<Communicator> group_ = world().split("dp", 0);
};

TEST_F(Started, CollectivesRunBesideBlockingOnesAndEndInAnyOrder) {
  const Buffer sum = expected(DType::kF32, kCount), small_sum = expected(DType::kF64, 5);
  for (int round = 0; round < 5; ++round) {
    std::vector<Buffer> buffers;
    std::vector<Pending> pending;
    for (int i = 0; i < 4; ++i) buffers.push_back(own_data(DType::kF32, kCount));
    for (const Buffer& buffer : buffers) {
      pending.push_back(group_->start_all_reduce(stream_, buffer.view(), ReduceOp::kSum, "grad"));
      const Buffer between = own_data(DType::kF64, 5);
      group_->all_reduce(stream_, between.view(), ReduceOp::kSum, "norm");
      EXPECT_TRUE(test::bit_equal(between.view(), small_sum.view()));
    }
    for (const size_t i : {2, 0, 3, 1}) {
      pending[i].finish();
      EXPECT_TRUE(test::bit_equal(buffers[i].view(), sum.view())) << i;
    }
  }
}

TEST_F(Started, ScatterThenGatherIsAllReduce) {
  const int64_t count = kCount / world().size() * world().size(), part = count / world().size();
  const Buffer sum = expected(DType::kBF16, count);
  const Buffer x = own_data(DType::kBF16, count);
  const View own = x.view().slice(0, part * world().rank(), part * (world().rank() + 1));
  Pending scatter = group_->start_reduce_scatter(stream_, own, x.view(), "grad");
  Pending gather = group_->start_all_gather(stream_, x.view(), own, "weights");  // waits its turn
  gather.finish();
  scatter.finish();
  EXPECT_TRUE(test::bit_equal(x.view(), sum.view()));
}

TEST_F(Started, CollectiveRunsWhileTheCallerDoesNot) {
  Buffer x = own_data(DType::kF32, kCount);
  start_timeline();
  Pending pending = group_->start_all_reduce(stream_, x.view(), ReduceOp::kSum, "grad");
  pending.finish();
  std::vector<TimelineSpan> spans = stop_timeline();
  ASSERT_EQ(spans.size(), 2u);
  EXPECT_EQ(spans[0].lane, "dp started");
  EXPECT_EQ(spans[0].name, "grad");
  EXPECT_EQ(spans[0].category, "collective");
  EXPECT_EQ(spans[1].lane, "main");
  EXPECT_EQ(spans[1].category, "wait");
  EXPECT_LE(spans[0].end_s, spans[1].end_s);
}

TEST_F(Started, CollectivesEndWithTheirCommunicator) {
  const Buffer sum = expected(DType::kF32, kCount);
  const Buffer x = own_data(DType::kF32, kCount);
  const Pending dropped = group_->start_all_reduce(stream_, x.view(), ReduceOp::kSum, "grad");
  group_.reset();
  EXPECT_TRUE(test::bit_equal(x.view(), sum.view()));
}

TEST_F(Started, CollectiveIsGivenUpWhenItsCommunicatorUnwinds) {
  // Rank 0 starts what no other rank does, and then fails.
  if (world().rank() == 0) {
    Buffer x = own_data(DType::kF32, kCount);
    const auto fail = [&] {
      const auto unwound = std::move(group_);
      const Pending lost =
          unwound->start_all_reduce(stream_, x.view(), ReduceOp::kSum, "nobody else comes");
      throw IoError("disk full");
    };
    EXPECT_THROW(fail(), IoError);
  }
  world().all().barrier("after");
}

TEST_F(Started, CollectiveThatUnwindsLeavesItsMemoryBeforeItsCommunicatorGoes) {
  if (world().rank() == 0) {
    const auto fail = [&] {
      const Buffer x = own_data(DType::kF32, kCount);
      const Pending lost =
          group_->start_all_reduce(stream_, x.view(), ReduceOp::kSum, "nobody else comes");
      throw IoError("disk full");
    };
    EXPECT_THROW(fail(), IoError);
    // Given up, not merely forgotten: a later one is told so at once.
    const Buffer y = own_data(DType::kF32, kCount);
    Pending later = group_->start_all_reduce(stream_, y.view(), ReduceOp::kSum, "later");
    EXPECT_THROW(later.finish(), CommError);
  }
  world().all().barrier("after");
}

TEST_F(Started, CollectivesOfSeveralGroupsRunAtOnce) {
  const auto other = world().split("tp", 0);
  const Buffer sum = expected(DType::kF32, kCount);
  const Buffer x = own_data(DType::kF32, kCount), y = own_data(DType::kF32, kCount);
  // In opposite orders on even and odd ranks: groups do not wait for each other.
  Communicator& first = world().rank() % 2 == 0 ? *group_ : *other;
  Communicator& second = world().rank() % 2 == 0 ? *other : *group_;
  Pending a = first.start_all_reduce(stream_, x.view(), ReduceOp::kSum, "x");
  Pending b = second.start_all_reduce(stream_, y.view(), ReduceOp::kSum, "x");
  a.finish();
  b.finish();
  EXPECT_TRUE(test::bit_equal(x.view(), sum.view()));
  EXPECT_TRUE(test::bit_equal(y.view(), sum.view()));
}

TEST_F(Started, TrafficIsWhatSentBytesSays) {
  const Buffer x(DType::kF32, {world().size() * 10}), own(DType::kF32, {10});
  group_->start_all_reduce(stream_, x.view(), ReduceOp::kSum, "grad").finish();
  group_->all_reduce(stream_, x.view(), ReduceOp::kSum, "grad");
  group_->reduce_scatter(stream_, own.view(), x.view(), "scatter");
  group_->start_all_gather(stream_, x.view(), own.view(), "gather").finish();
  group_->broadcast(stream_, x.view(), 0, "broadcast");
  const auto traffic = group_->traffic();
  const auto expect = [&](const char* label, CollectiveKind kind, int64_t calls) {
    EXPECT_EQ(traffic.at(label).kind, kind);
    EXPECT_EQ(traffic.at(label).calls, calls);
    EXPECT_EQ(traffic.at(label).sent_bytes, calls * sent_bytes(kind, x.bytes(), world().size()));
    EXPECT_GT(traffic.at(label).sent_bytes, 0);
  };
  expect("grad", CollectiveKind::kAllReduce, 2);
  expect("scatter", CollectiveKind::kReduceScatter, 1);
  expect("gather", CollectiveKind::kAllGather, 1);
  expect("broadcast", CollectiveKind::kBroadcast, 1);
}

}  // namespace
}  // namespace lckv::comm
