#include "lckv/comm/grid.h"

#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"

namespace lckv::comm {
namespace {

using test::expect_refusal;

TEST(Grid, PutsTheRanksOfOneCopyNextToEachOther) {
  const Grid grid = make_grid(8, 6, 4, 2);
  EXPECT_EQ(grid, (Grid{.dp = 2, .tp = 4, .rank = 6}));
  EXPECT_EQ(grid.dp_rank(), 1);
  EXPECT_EQ(grid.tp_rank(), 2);
  EXPECT_EQ(to_string(grid), "dp 2 x tp 4");
}

TEST(Grid, FillsWhatIsLeftToIt) {
  EXPECT_EQ(make_grid(6, 0, 2, 0), (Grid{.dp = 3, .tp = 2, .rank = 0}));
  EXPECT_EQ(make_grid(6, 0, 0, 2), (Grid{.dp = 2, .tp = 3, .rank = 0}));
  EXPECT_EQ(make_grid(6, 5, 0, 0), (Grid{.dp = 6, .tp = 1, .rank = 5}));
  EXPECT_EQ(make_grid(1, 0, 1, 1), (Grid{.dp = 1, .tp = 1, .rank = 0}));
}

TEST(Grid, RefusesWhatDoesNotDivideAndNamesWhatWould) {
  expect_refusal<ConfigError>([] { make_grid(6, 0, 4, 0); },
                              "6 ranks do not divide by parallel.tensor 4: start 4 or 8 ranks, or "
                              "set parallel.tensor to 1, 2, 3 or 6");
  expect_refusal<ConfigError>([] { make_grid(1, 0, 4, 0); },
                              "1 rank does not divide by parallel.tensor 4: start 4 ranks, or set "
                              "parallel.tensor to 1");
  expect_refusal<ConfigError>([] { make_grid(5, 0, 0, 2); },
                              "5 ranks do not divide by parallel.data 2: start 4 or 6 ranks, or "
                              "set parallel.data to 1 or 5");
}

TEST(Grid, RefusesAnotherProductThanTheRankCount) {
  expect_refusal<ConfigError>([] { make_grid(4, 0, 2, 3); },
                              "parallel.data 3 x parallel.tensor 2 = 6 ranks, but 4 were started: "
                              "start 6, or set parallel.data to 2");
  expect_refusal<ConfigError>([] { make_grid(1, 0, 2, 1); },
                              "parallel.data 1 x parallel.tensor 2 = 2 ranks, but 1 was started: "
                              "start 2");
  expect_refusal<ConfigError>([] { make_grid(4, 0, -2, 0); }, "parallel.tensor is -2");
}

}  // namespace
}  // namespace lckv::comm
