#include "lckv/eval/hellaswag_text.h"

#include <array>

#include <gtest/gtest.h>

#include "lckv/data/sha256.h"
#include "lckv/eval/python_random.h"

namespace lckv::eval {
namespace {

TEST(HellaswagText, MatchesTheVectorsOfTheSpecification) {
  EXPECT_EQ(hellaswag_text("Personal Care and Style: [header] How to tone sagging skin [title] "
                           "Moisturize, moisturize. [step] Use  a   cream. "),
            "Personal Care and Style: How to tone sagging skin. Moisturize, moisturize. Use a  "
            "cream.");
  EXPECT_EQ(hellaswag_text("Try [substeps] Wash it. [title] Dry it [x]"), "Try Wash it.. Dry it ");
  EXPECT_EQ(hellaswag_query("Dancing", "A man sits.", "the DJ plays"),
            "Dancing: A man sits. The dj plays");
}

TEST(HellaswagText, StripsBeforeItReplaces) {
  EXPECT_EQ(hellaswag_text("x [title]"), "x. ");
  EXPECT_EQ(hellaswag_text("[title] a    b"), " a  b");
}

TEST(HellaswagText, BracketsEndAtTheFirstClosingOneOfTheirLine) {
  EXPECT_EQ(hellaswag_text("\u3000 a [b\n] c [d] [e [f]] g\u2028"), "a [b\n] c ] g");
  EXPECT_EQ(hellaswag_text("a]b["), "a]b[");
  EXPECT_EQ(hellaswag_text("[]"), "");
}

TEST(HellaswagText, AgreesWithTheHarnessOnRandomTexts) {
  // SHA-256 of preprocess() of lm-evaluation-harness v0.4.5 over the same 20000 texts.
  constexpr std::array<std::string_view, 10> kPieces = {" ", "\n", "[",      "]",        "a",
                                                        "b", ".",  "\u3000", " [title]", "[x]"};
  PythonRandom random(2);
  std::string all;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (size_t left = random.below(30); left > 0; --left) text += kPieces[random.below(10)];
    all += hellaswag_text(text) + "|";
  }
  EXPECT_EQ(data::sha256_hex(all),
            "694b72def45efb3d28d079c95429b415200373bed95b9bbf96da4fc3ad33765d");
}

}  // namespace
}  // namespace lckv::eval
