#include "lckv/eval/token_pair.h"

#include <map>

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"

namespace lckv::eval {
namespace {

using testing::ElementsAre;

/// Words with the blank in front of them, each its own token; " now" after " right" merges into one
/// token.
class WordTokenizer : public data::Tokenizer {
 public:
  explicit WordTokenizer(std::optional<int32_t> bos = {}, std::optional<int32_t> eos = {})
      : bos_(bos), eos_(eos) {}

  std::string kind() const override { return "words"; }
  std::string sha256() const override { return ""; }
  std::string_view model_bytes() const override { return ""; }
  int32_t vocab_size() const override { return 100; }
  std::optional<int32_t> bos_id() const override { return bos_; }
  std::optional<int32_t> eos_id() const override { return eos_; }
  std::vector<int32_t> encode_after_newline(std::string_view) const override { return {}; }
  bool can_split_at_newline() const override { return false; }
  std::string decode(std::span<const int32_t>) const override { return ""; }
  std::string piece(int32_t) const override { return ""; }

  std::vector<int32_t> encode(std::string_view text) const override {
    std::vector<int32_t> ids;
    while (!text.empty()) {
      const auto word = std::find_if(kWords.rbegin(), kWords.rend(), [&](const auto& entry) {
        return text.starts_with(entry.first);
      });
      EXPECT_NE(word, kWords.rend()) << text;
      if (word == kWords.rend()) return ids;
      ids.push_back(word->second);
      text.remove_prefix(word->first.size());
    }
    return ids;
  }

 private:
  // Sorted, so that the search from the end finds the longest word first.
  inline static const std::map<std::string, int32_t, std::less<>> kWords = {
      {"\n", 1},        {"Q:", 5},   {" is", 9}, {" sky", 2},    {" blue?", 7},
      {"\nAnswer:", 3}, {" yes", 8}, {" no", 6}, {" right", 20}, {" right now", 21},
      {" now", 22},     {" ", 30},   {"yes", 31}};
  std::optional<int32_t> bos_, eos_;
};

constexpr const char* kContext = "Q: is sky blue?\nAnswer:";

TEST(TokenPair, SplitsTheExampleOfTheSpecification) {
  const TokenPair pair = encode_pair(WordTokenizer(), kContext, " yes", {false, 100});
  EXPECT_THAT(pair.tokens, ElementsAre(5, 9, 2, 7, 3, 8));
  EXPECT_EQ(pair.scored, 1);
  EXPECT_EQ(pair.inputs(), 5);
  EXPECT_THAT(encode_pair(WordTokenizer(), kContext, " no", {false, 100}).tokens,
              ElementsAre(5, 9, 2, 7, 3, 6));
}

TEST(TokenPair, MovesWhiteSpaceFromTheContextToTheContinuation) {
  const TokenPair pair = encode_pair(WordTokenizer(), "Q: ", "yes", {false, 100});
  EXPECT_THAT(pair.tokens, ElementsAre(5, 8));
  EXPECT_EQ(pair.scored, 1);
}

TEST(TokenPair, SplitsByCountWhereTheTokenizerMergesAcrossTheBorder) {
  // "Q: right" has two tokens and so has "Q: right now": nothing would be left to score.
  test::expect_refusal<DataError>(
      [] {
        encode_pair(WordTokenizer(), "Q: right", " now", {false, 100});
      },
      "the continuation ' now' has 0 tokens, expected 1 to 100");
  const TokenPair pair = encode_pair(WordTokenizer(), "Q: right", " now yes", {false, 100});
  // The context keeps its own tokens, the continuation is what follows two tokens of the whole.
  EXPECT_THAT(pair.tokens, ElementsAre(5, 20, 8));
  EXPECT_EQ(pair.scored, 1);
}

TEST(TokenPair, PutsBosInFrontWhenAsked) {
  const WordTokenizer tokenizer(50, 51);
  EXPECT_THAT(encode_pair(tokenizer, "Q:", " yes", {true, 100}).tokens, ElementsAre(50, 5, 8));
  EXPECT_THAT(encode_pair(tokenizer, "Q:", " yes", {false, 100}).tokens, ElementsAre(5, 8));
}

TEST(TokenPair, LetsBosElseEosStandForAnEmptyContext) {
  EXPECT_THAT(encode_pair(WordTokenizer(50, 51), "", " yes", {true, 100}).tokens,
              ElementsAre(50, 8));
  EXPECT_THAT(encode_pair(WordTokenizer(50, 51), "", " yes", {false, 100}).tokens,
              ElementsAre(50, 8));
  EXPECT_THAT(encode_pair(WordTokenizer({}, 51), " ", "yes", {false, 100}).tokens,
              ElementsAre(51, 8));
  test::expect_refusal<DataError>(
      [] {
        encode_pair(WordTokenizer(), "", " yes", {false, 100});
      },
      "the context is empty and the tokenizer has neither BOS nor EOS");
}

TEST(TokenPair, TakesTokensAwayAtTheLeftWhenTooLong) {
  const TokenPair pair = encode_pair(WordTokenizer(50, 51), kContext, " yes no", {true, 4});
  EXPECT_EQ(pair.inputs(), 4);
  EXPECT_THAT(pair.tokens, ElementsAre(2, 7, 3, 8, 6));
  EXPECT_EQ(pair.scored, 2);
  EXPECT_EQ(encode_pair(WordTokenizer(), kContext, " yes no", {false, 6}).tokens.size(), 7u);
  EXPECT_THAT(encode_pair(WordTokenizer(), kContext, " yes no", {false, 2}).tokens,
              ElementsAre(3, 8, 6));
}

TEST(TokenPair, RefusesAContinuationLongerThanTheModel) {
  test::expect_refusal<DataError>(
      [] {
        encode_pair(WordTokenizer(), kContext, " yes no yes", {false, 2});
      },
      "has 3 tokens, expected 1 to 2");
}

}  // namespace
}  // namespace lckv::eval
