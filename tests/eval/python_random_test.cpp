#include "lckv/eval/python_random.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lckv::eval {
namespace {

using testing::ElementsAre;

// All numbers are CPython 3.11's.

TEST(PythonRandom, DrawsTheBitsOfCPython) {
  PythonRandom random(1234);
  std::vector<uint32_t> drawn;
  for (int i = 0; i < 4; ++i) drawn.push_back(random.bits(16));
  EXPECT_THAT(drawn, ElementsAre(63337, 50997, 28883, 7657));
  PythonRandom zero(0);
  EXPECT_EQ(zero.bits(32), 3626764237u);
  EXPECT_EQ(zero.bits(32), 1654615998u);
}

TEST(PythonRandom, SeedsOfTwoWordsUseBoth) {
  PythonRandom random((uint64_t{1} << 40) + 17);
  EXPECT_EQ(random.bits(32), 2840774218u);
  EXPECT_EQ(random.bits(32), 3282848423u);
  EXPECT_EQ(random.bits(32), 1037313734u);
  EXPECT_EQ(random.uniform(), 0.4576384700163496);
  EXPECT_NE(PythonRandom(17).bits(32), 2840774218u);
}

TEST(PythonRandom, DrawsTheFloatsOfCPython) {
  PythonRandom random(42);
  EXPECT_EQ(random.uniform(), 0.6394267984578837);
  EXPECT_EQ(random.uniform(), 0.025010755222666936);
  EXPECT_EQ(random.uniform(), 0.27502931836911926);
}

TEST(PythonRandom, DrawsBelowByRejection) {
  PythonRandom random(5);
  std::vector<size_t> drawn;
  for (const size_t n : {1u, 2u, 3u, 1000u, 2147483649u}) drawn.push_back(random.below(n));
  EXPECT_THAT(drawn, ElementsAre(0, 1, 2, 965, 124576495));
}

TEST(PythonRandom, ShufflesFromTheBack) {
  std::vector<int> values(10);
  std::iota(values.begin(), values.end(), 0);
  PythonRandom(42).shuffle(values);
  EXPECT_THAT(values, ElementsAre(7, 3, 2, 8, 5, 6, 9, 4, 0, 1));
}

TEST(PythonRandom, SamplesFromAPoolUpToTheLimitOfCPythonAndFromASetAboveIt) {
  // A seed with which both ways give different samples in each of the first four calls.
  PythonRandom random(19);
  EXPECT_THAT(random.sample(21, 5), ElementsAre(1, 16, 3, 19, 6));
  EXPECT_THAT(random.sample(22, 5), ElementsAre(12, 11, 16, 9, 18));
  // ceil(log4(18)) = 3: the limit of six is 21 + 64.
  EXPECT_THAT(random.sample(85, 6), ElementsAre(18, 76, 33, 13, 82, 52));
  EXPECT_THAT(random.sample(86, 6), ElementsAre(41, 34, 13, 39, 2, 72));
  EXPECT_THAT(random.sample(5, 5), ElementsAre(4, 1, 0, 2, 3));
  EXPECT_EQ(random.bits(32), 2329773211u);  // no number more or less was drawn
}

}  // namespace
}  // namespace lckv::eval
