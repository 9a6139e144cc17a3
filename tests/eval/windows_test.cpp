#include "lckv/eval/windows.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lckv::eval {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<int32_t> tokens_1_to(int32_t n) {
  std::vector<int32_t> tokens(static_cast<size_t>(n));
  std::iota(tokens.begin(), tokens.end(), 1);
  return tokens;
}

std::vector<int32_t> scored_tokens(const std::vector<TokenPair>& rows) {
  std::vector<int32_t> all;
  for (const TokenPair& row : rows) {
    all.insert(all.end(), row.tokens.end() - row.scored, row.tokens.end());
  }
  return all;
}

TEST(RollingWindows, MatchTheVectorOfTheSpecification) {
  const auto rows = rolling_windows(tokens_1_to(10), 0, 4);
  // Inputs [0 1 2 3], [4 5 6 7], [6 7 8 9]; the last token of a row is only predicted.
  EXPECT_THAT(rows, ElementsAre(TokenPair{{0, 1, 2, 3, 4}, 4}, TokenPair{{4, 5, 6, 7, 8}, 4},
                                TokenPair{{6, 7, 8, 9, 10}, 2}));
}

TEST(RollingWindows, HoldFromNothingToTwoWindows) {
  EXPECT_THAT(rolling_windows(tokens_1_to(0), 0, 4), IsEmpty());
  EXPECT_THAT(rolling_windows(tokens_1_to(3), 0, 4), ElementsAre(TokenPair{{0, 1, 2, 3}, 3}));
  EXPECT_THAT(rolling_windows(tokens_1_to(4), 0, 4), ElementsAre(TokenPair{{0, 1, 2, 3, 4}, 4}));
  EXPECT_THAT(rolling_windows(tokens_1_to(5), 0, 4),
              ElementsAre(TokenPair{{0, 1, 2, 3, 4}, 4}, TokenPair{{1, 2, 3, 4, 5}, 1}));
  EXPECT_THAT(rolling_windows(tokens_1_to(8), 0, 4),
              ElementsAre(TokenPair{{0, 1, 2, 3, 4}, 4}, TokenPair{{4, 5, 6, 7, 8}, 4}));
  EXPECT_THAT(rolling_windows(tokens_1_to(3), 0, 1),
              ElementsAre(TokenPair{{0, 1}, 1}, TokenPair{{1, 2}, 1}, TokenPair{{2, 3}, 1}));
}

TEST(RollingWindows, ScoreEveryTokenOnceInRowsNoLongerThanTheModel) {
  for (int32_t n = 1; n < 40; ++n) {
    for (int64_t T = 1; T < 12; ++T) {
      const auto rows = rolling_windows(tokens_1_to(n), 0, T);
      EXPECT_EQ(scored_tokens(rows), tokens_1_to(n));
      for (const TokenPair& row : rows) EXPECT_LE(row.inputs(), T);
      if (n > T) {
        EXPECT_EQ(rows.back().inputs(), T);
      }
    }
  }
}

TEST(SlidingWindows, ScoreWhatNoWindowBeforeRead) {
  EXPECT_THAT(sliding_windows(tokens_1_to(9), 4, 2),
              ElementsAre(TokenPair{{1, 2, 3, 4}, 3}, TokenPair{{3, 4, 5, 6}, 2},
                          TokenPair{{5, 6, 7, 8}, 2}, TokenPair{{7, 8, 9}, 1}));
  EXPECT_THAT(sliding_windows(tokens_1_to(4), 4, 2), ElementsAre(TokenPair{{1, 2, 3, 4}, 3}));
  EXPECT_THAT(sliding_windows(tokens_1_to(1), 4, 2), IsEmpty());
  for (int32_t n = 2; n < 30; ++n) {
    auto expected = tokens_1_to(n);
    expected.erase(expected.begin());
    EXPECT_EQ(scored_tokens(sliding_windows(tokens_1_to(n), 6, 4)), expected);
  }
}

TEST(SlidingWindows, WithoutOverlapNeverScoreTheFirstTokenOfAWindow) {
  EXPECT_THAT(sliding_windows(tokens_1_to(9), 4, 4),
              ElementsAre(TokenPair{{1, 2, 3, 4}, 3}, TokenPair{{5, 6, 7, 8}, 3}));
}

TEST(BlockWindows, ScoreAllButTheFirstTokenOfEveryWholeBlock) {
  for (const int32_t n : {8, 9, 11}) {
    EXPECT_THAT(block_windows(tokens_1_to(n), 4),
                ElementsAre(TokenPair{{1, 2, 3, 4}, 3}, TokenPair{{5, 6, 7, 8}, 3}));
  }
  EXPECT_THAT(block_windows(tokens_1_to(3), 4), IsEmpty());
}

TEST(LlamacppWindows, ScoreTheSecondHalfOfEveryWholeBlock) {
  EXPECT_THAT(llamacpp_windows(tokens_1_to(17), 99, 8),
              ElementsAre(TokenPair{{99, 2, 3, 4, 5, 6, 7, 8}, 3},
                          TokenPair{{99, 10, 11, 12, 13, 14, 15, 16}, 3}));
  // Rows context / 2 .. context - 2 of the logits: for 5 inputs, rows 2 and 3.
  EXPECT_THAT(llamacpp_windows(tokens_1_to(5), 99, 5), ElementsAre(TokenPair{{99, 2, 3, 4, 5}, 2}));
  EXPECT_THAT(llamacpp_windows(tokens_1_to(7), 99, 8), IsEmpty());
}

}  // namespace
}  // namespace lckv::eval
