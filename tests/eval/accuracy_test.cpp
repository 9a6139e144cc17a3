#include "lckv/eval/accuracy.h"

#include <gtest/gtest.h>

#include "lckv/eval/code_points.h"

namespace lckv::eval {
namespace {

TEST(Accuracy, MatchesTheWorkedExample) {
  // Four endings of 37, 27, 26 and 36 characters; the third and fourth score the same.
  const std::vector<std::string> choices = {std::string(37, 'a'), std::string(27, 'a'),
                                            std::string(26, 'a'), std::string(36, 'a')};
  const Answer answer = make_answer({-114.108, -82.988, -93.361, -93.361}, choices);
  EXPECT_EQ(answer.pick, 1u);
  EXPECT_EQ(answer.pick_norm, 3u);
}

TEST(Accuracy, TakesTheFirstOfEqualScores) {
  EXPECT_EQ(make_answer({-2, -1, -1}, {"a", "b", "c"}).pick, 1u);
  EXPECT_EQ(make_answer({-2, -1, -1}, {"a", "b", "c"}).pick_norm, 1u);
}

TEST(Accuracy, DividesByCodePointsNotBytes) {
  // By bytes the first would win: -4/6 > -3/4.
  EXPECT_EQ(make_answer({-4, -3}, {"äöü", "abcd"}).pick_norm, 1u);
}

TEST(CodePoints, CountsCharacters) {
  EXPECT_EQ(count_code_points(""), 0u);
  EXPECT_EQ(count_code_points("aß€😀"), 4u);
}

TEST(CodePoints, FindsUnicodeWhiteSpaceAtTheEnd) {
  EXPECT_EQ(trailing_whitespace_bytes("a b"), 0u);
  EXPECT_EQ(trailing_whitespace_bytes("a b \t\n"), 3u);
  EXPECT_EQ(trailing_whitespace_bytes("a\u00A0\u2003\u3000"), 8u);
  EXPECT_EQ(trailing_whitespace_bytes("\u1680 "), 4u);
  EXPECT_EQ(trailing_whitespace_bytes("a\u200B"), 0u);  // zero width space is not white space
  EXPECT_EQ(trailing_whitespace_bytes("ä"), 0u);
}

}  // namespace
}  // namespace lckv::eval
