#include "lckv/comm/host_staging.h"

#include <vector>

#include <gtest/gtest.h>

namespace lckv::comm {
namespace {

// On the CPU, where a copy between host and device is a copy.
constexpr int kRank = 1;  // of two

View floats(std::vector<float>& x) {
  return {x.data(), DType::kF32, {static_cast<int64_t>(x.size())}};
}

/// What `call` leaves in its views when `collective` is what it does to the staged ones.
template <class Work>
void stage(const Collective& call, const Work& collective) {
  HostStaging staging;
  Stream stream;
  const Collective staged = staging.to_host(stream, call, kRank);
  ASSERT_NE(staged.x.raw(), call.x.raw());
  collective(staged);
  staging.to_device(stream, call, staged, kRank);
}

TEST(HostStaging, AllReduceGoesThereAndBackWhole) {
  std::vector<float> x = {1, 2, 3};
  stage({.kind = CollectiveKind::kAllReduce, .x = floats(x), .own = {}, .label = "test"},
        [](const Collective& staged) {
          for (int i = 0; i < 3; ++i) staged.x.data<float>()[i] *= 10;
        });
  EXPECT_EQ(x, (std::vector<float>{10, 20, 30}));
}

TEST(HostStaging, ReduceScatterBringsBackThePartOfThisRank) {
  std::vector<float> x = {1, 2, 3, 4}, own = {0, 0};
  stage(
      {.kind = CollectiveKind::kReduceScatter, .x = floats(x), .own = floats(own), .label = "test"},
      [](const Collective& staged) {
        EXPECT_EQ(staged.own.raw(), staged.x.data<float>() + 2);
        EXPECT_EQ(staged.x.data<float>()[0], 1);
        staged.own.data<float>()[0] = 30;
        staged.own.data<float>()[1] = staged.x.data<float>()[3] * 10;
      });
  EXPECT_EQ(own, (std::vector<float>{30, 40}));
}

TEST(HostStaging, AllGatherTakesThePartOfThisRankThere) {
  std::vector<float> x = {0, 0, 0, 0}, own = {3, 4};
  stage({.kind = CollectiveKind::kAllGather, .x = floats(x), .own = floats(own), .label = "test"},
        [](const Collective& staged) {
          staged.x.data<float>()[0] = 1;
          staged.x.data<float>()[1] = 2;
        });
  EXPECT_EQ(x, (std::vector<float>{1, 2, 3, 4}));
}

TEST(HostStaging, BroadcastTakesTheRootsThereAndTheOthersBack) {
  for (const int root : {0, kRank}) {
    std::vector<float> x = {1, 2};
    stage({.kind = CollectiveKind::kBroadcast,
           .x = floats(x),
           .own = {},
           .root = root,
           .label = "test"},
          [&](const Collective& staged) {
            if (root == kRank) {
              EXPECT_EQ(staged.x.data<float>()[1], 2);
            } else {
              staged.x.data<float>()[0] = 7;
              staged.x.data<float>()[1] = 8;
            }
          });
    EXPECT_EQ(x, root == kRank ? (std::vector<float>{1, 2}) : (std::vector<float>{7, 8}));
  }
}

TEST(HostStaging, GrowsWithTheViews) {
  HostStaging staging;
  Stream stream;
  for (const size_t size : {1, 1000, 3}) {
    std::vector<float> x(size, 5);
    const Collective call{
        .kind = CollectiveKind::kAllReduce, .x = floats(x), .own = {}, .label = "test"};
    const Collective staged = staging.to_host(stream, call, kRank);
    EXPECT_EQ(staged.x.data<float>()[size - 1], 5);
  }
}

}  // namespace
}  // namespace lckv::comm
