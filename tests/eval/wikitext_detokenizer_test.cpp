#include "lckv/eval/wikitext_detokenizer.h"

#include <array>

#include <gtest/gtest.h>

#include "lckv/data/sha256.h"
#include "lckv/eval/code_points.h"
#include "lckv/eval/python_random.h"

namespace lckv::eval {
namespace {

TEST(WikitextDetokenizer, AppliesEveryRuleInItsOrder) {
  EXPECT_EQ(
      detokenize_wikitext(
          " = Robert = \n Robert @-@ Boulter is 1 @,@ 000 s ' x /' 7/ y . He ( born \n 1981 ) "
          "said : \" hello  there \" ; ' a ' ! N no ? N ° C \n = = = = h = = = = 's [ a ] { b "
          "} ( open ' s\n"),
      " = Robert =\nRobert-Boulter is 1,000 s'x /'[0-9]/ y. He (born\n1981) said: \"hello  "
      "there\"; 'a'! 1 no? N°C\n==== h ===='s [a] {b} ( open' s\n");
  EXPECT_EQ(detokenize_wikitext("= = = x = = =  . . . a @.@ 5 , ,"), "=== x === . .. a.5, ,");
}

TEST(WikitextDetokenizer, MatchesDoNotOverlap) {
  EXPECT_EQ(detokenize_wikitext("/' 0/' 1/ /' 5 /' 12/ ( ( a ) ) ( ) \"\u00A0q\u2003\" '' ' "),
            "/'[0-9]/' 1/ /'5 /' 12/ (( a) ) () \"q\" '' ' ");
  EXPECT_EQ(detokenize_wikitext("N N N N a N b  N "), "N 1 N 1 a 1 b  1 ");
  EXPECT_EQ(detokenize_wikitext(""), "");
}

TEST(CodePoints, CountsThePiecesBetweenRunsOfWhiteSpace) {
  EXPECT_EQ(count_words(""), 1u);
  EXPECT_EQ(count_words(" "), 2u);
  EXPECT_EQ(count_words("a  b\tc\n"), 4u);
  EXPECT_EQ(count_words("a\u2003\u00A0b"), 2u);
}

TEST(CodePoints, StripsWhiteSpaceAtEitherEnd) {
  EXPECT_EQ(strip_left("\u3000\n a b "), "a b ");
  EXPECT_EQ(strip_right("\u3000\n a b \u2029"), "\u3000\n a b");
  EXPECT_EQ(strip(" \u00A0 "), "");
  EXPECT_EQ(strip("é"), "é");
}

TEST(WikitextDetokenizer, AgreesWithTheHarnessOnRandomPages) {
  // SHA-256 of wikitext_detokenizer() of lm-evaluation-harness v0.4.5 and the words that it counts,
  // over the same 20000 pages.
  constexpr std::array<std::string_view, 28> kCharacters = {
      " ", "\n", "'", "\"", "(", ")", "[", "]", "{", "}", "=", ":", ";", ".",
      "!", "?",  ",", "@",  "-", "N", "°", "s", "/", "0", "5", "9", "a", "b"};
  PythonRandom random(1);
  std::string all;
  for (int i = 0; i < 20000; ++i) {
    std::string page;
    for (size_t left = random.below(60); left > 0; --left) {
      const size_t drawn = random.below(29);
      page += drawn == 28 ? "\u00A0" : kCharacters[drawn];
    }
    all += detokenize_wikitext(page) + std::to_string(count_words(page));
  }
  EXPECT_EQ(data::sha256_hex(all),
            "67b9cbcd4101b1ee5392bd7cf0a4506872531c1ee5c558a80cffeef31db64c65");
}

}  // namespace
}  // namespace lckv::eval
