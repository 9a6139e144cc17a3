#include "lckv/data/sample_order.h"

#include <set>
#include <vector>

#include <gtest/gtest.h>

namespace lckv::data {
namespace {

std::vector<int64_t> epoch_of(const SampleOrder& order, int64_t epoch) {
  std::vector<int64_t> sequences;
  for (int64_t i = 0; i < order.sequences(); ++i)
    sequences.push_back(order(epoch * order.sequences() + i));
  return sequences;
}

TEST(SampleOrder, ShowsEverySequenceOncePerEpoch) {
  for (const int64_t count : {1, 2, 3, 7, 100, 1000, 4097}) {
    const SampleOrder order(count, 42);
    for (int64_t epoch = 0; epoch < 3; ++epoch) {
      const auto sequences = epoch_of(order, epoch);
      const std::set<int64_t> distinct(sequences.begin(), sequences.end());
      EXPECT_EQ(std::ssize(distinct), count);
      EXPECT_EQ(*distinct.begin(), 0);
      EXPECT_EQ(*distinct.rbegin(), count - 1);
    }
  }
}

TEST(SampleOrder, DiffersBetweenEpochsAndSeeds) {
  const SampleOrder order(1000, 42);
  EXPECT_NE(epoch_of(order, 0), epoch_of(order, 1));
  EXPECT_NE(epoch_of(order, 0), epoch_of(SampleOrder(1000, 43), 0));
  EXPECT_EQ(epoch_of(order, 5), epoch_of(SampleOrder(1000, 42), 5));
}

TEST(SampleOrder, IsNotTheOrderOfTheFile) {
  const SampleOrder order(1000, 42);
  int followers = 0;
  for (int64_t i = 0; i + 1 < 1000; ++i) followers += order(i + 1) == order(i) + 1 ? 1 : 0;
  EXPECT_LT(followers, 10);  // a random order has one on average
}

TEST(SampleOrder, ReachesFarPositions) {
  const SampleOrder order(int64_t{1} << 40, 42);
  const int64_t far = (int64_t{1} << 50) + 12345;
  EXPECT_GE(order(far), 0);
  EXPECT_LT(order(far), order.sequences());
  EXPECT_EQ(order.epoch(far), 1024);
}

}  // namespace
}  // namespace lckv::data
