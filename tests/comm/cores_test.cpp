#include "lckv/comm/cores.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/test_support/refusal.h"

namespace lckv::comm {
namespace {

using test::expect_refusal;
using testing::ElementsAre;
using testing::IsEmpty;
using Masks = std::vector<std::vector<int>>;

std::vector<int> cores(int begin, int end) {
  std::vector<int> mask(static_cast<size_t>(end - begin));
  std::iota(mask.begin(), mask.end(), begin);
  return mask;
}

TEST(ShareCores, CutsASharedMaskIntoEqualDisjointBlocks) {
  const Masks masks(3, cores(0, 8));
  const CoreShare first = share_cores(masks, 0, 0, false), last = share_cores(masks, 2, 0, false);
  EXPECT_EQ(first.threads, 2);
  EXPECT_THAT(first.cores, ElementsAre(0, 1));
  EXPECT_EQ(last.threads, 2);
  EXPECT_THAT(last.cores, ElementsAre(4, 5));
}

TEST(ShareCores, KeepsABindingThatIsPrivate) {
  const CoreShare share = share_cores({cores(0, 4), cores(4, 8)}, 1, 0, false);
  EXPECT_EQ(share.threads, 4);
  EXPECT_THAT(share.cores, IsEmpty());
}

TEST(ShareCores, SharesWithinGroupsOfOneMask) {  // one mask per socket
  const Masks masks = {cores(0, 4), cores(4, 8), cores(0, 4), cores(4, 8)};
  EXPECT_THAT(share_cores(masks, 2, 0, false).cores, ElementsAre(2, 3));
  EXPECT_THAT(share_cores(masks, 1, 0, false).cores, ElementsAre(4, 5));
}

TEST(ShareCores, IsCarefulWithMasksThatOverlapInPart) {
  const Masks masks = {cores(0, 4), cores(2, 6)};  // 2 + 2/2 cores each
  for (int rank = 0; rank < 2; ++rank) {
    const CoreShare share = share_cores(masks, rank, 0, false);
    EXPECT_EQ(share.threads, 3);
    EXPECT_THAT(share.cores, IsEmpty());
  }
  // Three thirds of a core are one.
  EXPECT_EQ(share_cores({{0, 1, 2}, {0, 1, 2, 3}, {0, 1, 2, 4}}, 0, 0, false).threads, 1);
}

TEST(ShareCores, GivesEveryRankAThreadWhenCoresRunOut) {
  const CoreShare share = share_cores(Masks(5, cores(0, 2)), 3, 0, false);
  EXPECT_EQ(share.threads, 1);
  EXPECT_THAT(share.cores, IsEmpty());
  EXPECT_EQ(share_cores(Masks(5, cores(0, 2)), 3, 1, false).threads, 1);
}

TEST(ShareCores, GrantsWhatFits) {
  const CoreShare share = share_cores(Masks(2, cores(0, 8)), 1, 3, false);
  EXPECT_EQ(share.threads, 3);
  EXPECT_THAT(share.cores, ElementsAre(4, 5, 6, 7));
}

TEST(ShareCores, RefusesMoreThanTheLauncherBound) {
  expect_refusal<ConfigError>(
      [] {
        share_cores({{0}, {1}}, 0, 8, false);
      },
      "train.threads is 8, but this process may use 1 core; if a launcher bound it, start with "
      "mpirun "
      "--bind-to none, or --map-by slot:PE=8 (srun --cpus-per-task=8); or set "
      "parallel.oversubscribe: true");
}

TEST(ShareCores, RefusesMoreThanTheMachineHas) {
  expect_refusal<ConfigError>([] { share_cores(Masks(4, cores(0, 8)), 0, 4, false); },
                              "train.threads is 4, but 4 ranks on this machine share 8 cores: 4 x "
                              "4 = 16 threads; set train.threads to 2, or start 2 ranks on it, or "
                              "set parallel.oversubscribe: true");
}

TEST(ShareCores, OversubscribesWhenTold) {
  const CoreShare share = share_cores(Masks(4, cores(0, 8)), 0, 4, true);
  EXPECT_EQ(share.threads, 4);
  EXPECT_THAT(share.cores, IsEmpty());
  EXPECT_EQ(share_cores({{0}, {1}}, 0, 8, true).threads, 8);
}

}  // namespace
}  // namespace lckv::comm
