#include "lckv/comm/communicator.h"

#include <array>

#include <gtest/gtest.h>

#include "lckv/base/timeline.h"
#include "lckv/comm/communicators.h"
#include "lckv/test_support/refusal.h"

namespace lckv::comm {
namespace {

using test::expect_refusal;

/// A group of two that takes everything and does nothing.
class Recorded final : public Communicator {
 public:
  Recorded() : Communicator("tp", 1, 2) {}
  int runs = 0;

 private:
  void run(Stream&, const Collective&) override { ++runs; }
};

class Checks : public testing::Test {
 protected:
  View f32(int64_t begin, int64_t end) {
    return View(values_.data(), DType::kF32, {16}).slice(0, begin, end);
  }

  std::array<float, 16> values_{};
  Recorded group_;
  Stream stream_;
};

TEST_F(Checks, AcceptWhatTheHeaderPromises) {
  group_.all_reduce(stream_, f32(0, 3), ReduceOp::kSum, "a");
  group_.reduce_scatter(stream_, f32(4, 8), f32(0, 8), "b");   // own is part 1 of x
  group_.reduce_scatter(stream_, f32(8, 12), f32(0, 8), "b");  // own is apart
  group_.all_gather(stream_, f32(0, 8), f32(4, 8), "c");
  group_.broadcast(stream_, f32(0, 0), 1, "d");
  group_.barrier("e");
  group_.start_all_gather(stream_, f32(0, 8), f32(8, 12), "c").finish();
  EXPECT_EQ(group_.runs, 7);
}

TEST_F(Checks, RefuseViewsThatDoNotFit) {
  expect_refusal<ShapeError>([&] { group_.all_reduce(stream_, View(), ReduceOp::kSum, "grad"); },
                             "tp: all_reduce \"grad\": x is an empty view");
  const View columns = f32(0, 16).unflatten(0, 4, 4).slice(1, 0, 2);
  expect_refusal<ShapeError>([&] { group_.all_reduce(stream_, columns, ReduceOp::kSum, "grad"); },
                             "not contiguous");
  expect_refusal<ShapeError>([&] { group_.all_gather(stream_, f32(0, 8), columns, "weights"); },
                             "not contiguous");
  expect_refusal<ShapeError>([&] { group_.reduce_scatter(stream_, f32(8, 11), f32(0, 8), "grad"); },
                             "not 2 times own");
  expect_refusal<ShapeError>([&] { group_.reduce_scatter(stream_, f32(0, 4), f32(0, 8), "grad"); },
                             "is not part 1 of it");
  expect_refusal<ShapeError>([&] { group_.all_gather(stream_, f32(0, 8), f32(6, 10), "weights"); },
                             "is not part 1 of it");
  EXPECT_EQ(group_.runs, 0);
  EXPECT_TRUE(group_.traffic().empty());
}

TEST_F(Checks, RefuseDTypesAndRoots) {
  std::array<int32_t, 8> integers{};
  const View whole(integers.data(), DType::kI32, {4}), half(integers.data() + 4, DType::kI32, {2});
  expect_refusal<DTypeError>([&] { group_.reduce_scatter(stream_, half, whole, "grad"); },
                             "expected bf16, f32 or f64");
  expect_refusal<DTypeError>([&] { group_.all_gather(stream_, f32(0, 4), half, "weights"); },
                             "own is i32[2] on cpu, x f32[4] on cpu");
  expect_refusal<InternalError>([&] { group_.broadcast(stream_, f32(0, 4), 2, "weights"); },
                                "root 2 of 2");
  expect_refusal<InternalError>([&] { group_.barrier(nullptr); }, "without a label");
}

TEST_F(Checks, CountTrafficByLabel) {
  group_.all_reduce(stream_, f32(0, 6), ReduceOp::kSum, "grad");
  group_.start_all_reduce(stream_, f32(0, 2), ReduceOp::kSum, "grad").finish();
  group_.all_gather(stream_, f32(0, 8), f32(4, 8), "weights");
  const auto traffic = group_.traffic();
  EXPECT_EQ(traffic.at("grad").kind, CollectiveKind::kAllReduce);
  EXPECT_EQ(traffic.at("grad").calls, 2);
  EXPECT_EQ(traffic.at("grad").sent_bytes, 24 + 8);
  EXPECT_EQ(traffic.at("weights").sent_bytes, 16);
  group_.reset_traffic();
  EXPECT_TRUE(group_.traffic().empty());
}

TEST_F(Checks, NameCollectivesInTimelines) {
  start_timeline();
  group_.all_reduce(stream_, f32(0, 6), ReduceOp::kSum, "grad");
  const std::vector<TimelineSpan> spans = stop_timeline();
  ASSERT_EQ(spans.size(), 1u);
  EXPECT_EQ(spans[0].name, "grad");
  EXPECT_EQ(spans[0].category, "collective");
}

TEST(SentBytes, IsTheLeastThatAnyAlgorithmCanDo) {
  EXPECT_EQ(sent_bytes(CollectiveKind::kAllReduce, 1000, 4), 1500);
  EXPECT_EQ(sent_bytes(CollectiveKind::kReduceScatter, 1000, 4), 750);
  EXPECT_EQ(sent_bytes(CollectiveKind::kAllGather, 1000, 4), 750);
  EXPECT_EQ(sent_bytes(CollectiveKind::kBroadcast, 1000, 4), 750);
  EXPECT_EQ(sent_bytes(CollectiveKind::kBarrier, 1000, 4), 0);
  EXPECT_EQ(sent_bytes(CollectiveKind::kAllReduce, 1000, 1), 0);
  EXPECT_EQ(sent_bytes(CollectiveKind::kAllReduce, int64_t{1} << 42, 2), int64_t{1} << 42);
}

TEST(Pending, IsFinishedOnce) {
  int finished = 0;
  Pending pending([&] { ++finished; });
  Pending moved = std::move(pending);
  moved.finish();
  moved.finish();
  EXPECT_EQ(finished, 1);
}

TEST(Alone, CopiesAndNothingElse) {
  const auto alone = make_alone("dp");
  Stream stream;
  std::array<float, 2> x = {1, 2}, y = {0, 0};
  const View x_view(x.data(), DType::kF32, {2}), y_view(y.data(), DType::kF32, {2});
  alone->all_reduce(stream, x_view, ReduceOp::kSum, "a");
  EXPECT_EQ(x, (std::array<float, 2>{1, 2}));
  alone->all_gather(stream, y_view, x_view, "b");
  EXPECT_EQ(y, x);
  x = {3, 4};
  alone->start_reduce_scatter(stream, y_view, x_view, "c").finish();
  EXPECT_EQ(y, x);
  alone->reduce_scatter(stream, x_view, x_view, "c");
  alone->broadcast(stream, x_view, 0, "d");
  alone->barrier("e");
  EXPECT_EQ(alone->traffic().at("c").calls, 2);
  EXPECT_EQ(alone->traffic().at("c").sent_bytes, 0);
}

TEST(Planned, RefusesEveryCollective) {
  const auto planned = make_planned("dp", 1, 4);
  Stream stream;
  std::array<float, 4> x{};
  const View view(x.data(), DType::kF32, {4});
  expect_refusal<InternalError>([&] { planned->all_reduce(stream, view, ReduceOp::kSum, "grad"); },
                                "dp: all_reduce \"grad\" in a group of 4 that is only planned");
  EXPECT_THROW(static_cast<void>(planned->start_all_reduce(stream, view, ReduceOp::kSum, "grad")),
               InternalError);
  EXPECT_THROW(planned->barrier("b"), InternalError);
  EXPECT_TRUE(planned->traffic().empty());
}

TEST(Planned, KnowsItsPlacesInTheGrid) {
  const Communicators groups = planned({.dp = 3, .tp = 4, .rank = 7}, 2);
  EXPECT_EQ(groups.world->rank(), 7);
  EXPECT_EQ(groups.world->size(), 12);
  EXPECT_EQ(groups.dp->rank(), 1);
  EXPECT_EQ(groups.dp->size(), 3);
  EXPECT_EQ(groups.tp->rank(), 3);
  EXPECT_EQ(groups.tp->size(), 4);
  EXPECT_EQ(groups.kv->rank(), 1);
  EXPECT_EQ(groups.kv->size(), 2);
  EXPECT_THROW(planned({.dp = 3, .tp = 4, .rank = 7}, 3), InternalError);
  EXPECT_EQ(single_process().grid.ranks(), 1);
  EXPECT_EQ(single_process().tp->size(), 1);
}

}  // namespace
}  // namespace lckv::comm
