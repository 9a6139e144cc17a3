#include "lckv/infer/text_stream.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/random.h"
#include "lckv/data/train_sentencepiece.h"

namespace lckv::infer {
namespace {

using testing::ElementsAre;

/// Token i is the piece i.
class Pieces : public data::Tokenizer {
 public:
  explicit Pieces(std::vector<std::string> pieces, data::TextStart start = data::TextStart::kAsIs)
      : pieces_(std::move(pieces)), start_(start) {}
  std::string kind() const override { return "pieces"; }
  std::string sha256() const override { return ""; }
  std::string_view model_bytes() const override { return {}; }
  int32_t vocab_size() const override { return static_cast<int32_t>(pieces_.size()); }
  std::optional<int32_t> bos_id() const override { return std::nullopt; }
  std::optional<int32_t> eos_id() const override { return std::nullopt; }
  std::vector<int32_t> encode(std::string_view) const override { return {}; }
  std::vector<int32_t> encode_after_newline(std::string_view) const override { return {}; }
  bool can_split_at_newline() const override { return false; }
  std::string decode(std::span<const int32_t> ids) const override {
    std::string text;
    for (const int32_t id : ids) text += piece(id);
    return text;
  }
  std::string piece(int32_t id) const override { return pieces_[static_cast<size_t>(id)]; }
  data::TextStart text_start() const override { return start_; }

 private:
  std::vector<std::string> pieces_;
  data::TextStart start_;
};

/// What each piece hands out, and at last what finish() does.
std::vector<std::string> parts(const std::vector<std::string>& pieces,
                               const std::vector<std::string>& stops = {}) {
  const Pieces tokenizer(pieces);
  TextStream stream(tokenizer, {}, stops);
  std::vector<std::string> handed_out;
  for (int32_t i = 0; i < tokenizer.vocab_size(); ++i) handed_out.push_back(stream.add(i));
  handed_out.push_back(stream.finish());
  return handed_out;
}

TEST(TextStream, HandsOutWholeCharactersAlone) {
  EXPECT_THAT(parts({"a\xE2", "\x82", "\xAC", "b"}), ElementsAre("a", "", "€", "b", ""));
  EXPECT_THAT(parts({"\xF0\x9F", "\x98\x80!"}), ElementsAre("", "😀!", ""));
}

TEST(TextStream, ReplacesWhatIsNoCharacter) {
  EXPECT_THAT(parts({"a\xFF", "b"}), ElementsAre("a\uFFFD", "b", ""));
  EXPECT_THAT(parts({"\xE2\x82", "b"}), ElementsAre("", "\uFFFDb", ""));        // one for both
  EXPECT_THAT(parts({"\xE0\x80"}), ElementsAre("\uFFFD\uFFFD", ""));            // overlong
  EXPECT_THAT(parts({"\xED\xA0\x80"}), ElementsAre("\uFFFD\uFFFD\uFFFD", ""));  // a surrogate
  EXPECT_THAT(parts({"\x80\x80"}), ElementsAre("\uFFFD\uFFFD", ""));
  EXPECT_THAT(parts({"ab\xF0\x9F\x98"}), ElementsAre("ab", "\uFFFD"));  // cut off at the end
}

TEST(TextStream, ReplacesTheSameHoweverTheBytesAreCut) {
  const CounterRng rng(1, 2);
  const std::string alphabet = "a\x80\xBF\xC2\xE0\xA0\xED\x9F\xF0\x90\xF4\x8F\xFF\xE2";
  for (uint64_t round = 0; round < 200; ++round) {
    std::string bytes;
    for (uint64_t i = 0; i < 12; ++i) {
      bytes += alphabet[rng.below(round * 100 + i, alphabet.size())];
    }
    Utf8Assembler whole, single;
    std::string once = whole.add(bytes), cut;
    once += whole.finish();
    for (const char byte : bytes) cut += single.add({&byte, 1});
    cut += single.finish();
    EXPECT_EQ(cut, once);
  }
}

TEST(TextStream, EndsBeforeAStopThatIsSpreadOverTokens) {
  EXPECT_THAT(parts({"one EN", "D tw", "o"}, {"END"}), ElementsAre("one ", "", "", ""));
  const Pieces tokenizer({"one EN", "D tw"});
  TextStream stream(tokenizer, {}, {"END"});
  stream.add(0);
  EXPECT_FALSE(stream.has_stopped());
  stream.add(1);
  EXPECT_TRUE(stream.has_stopped());
  EXPECT_EQ(stream.stopping_word(), "END");
  EXPECT_EQ(stream.text(), "one ");
}

TEST(TextStream, GivesBackWhatOnlyBeganLikeAStop) {
  EXPECT_THAT(parts({"xE", "N", "X"}, {"END"}), ElementsAre("x", "", "ENX", ""));
  EXPECT_THAT(parts({"xE", "N"}, {"END"}), ElementsAre("x", "", "EN"));
  EXPECT_THAT(parts({"aab", "aaac"}, {"aaac"}), ElementsAre("aab", "", ""));
  EXPECT_THAT(parts({"a€", "€"}, {"€€b"}), ElementsAre("a", "", "€€"));
}

TEST(TextStream, StopsWhereTheFirstIsComplete) {
  EXPECT_THAT(parts({"abcd"}, {"bcd", "c"}), ElementsAre("ab", ""));
  EXPECT_THAT(parts({"ab", "cd"}, {"bcd", "c"}), ElementsAre("a", "b", ""));
}

TEST(TextStream, TakesTheLongestOfThoseThatEndTogether) {
  const Pieces tokenizer({"x", "yz"});
  TextStream stream(tokenizer, {}, {"z", "yz"});
  stream.add(0);
  stream.add(1);
  EXPECT_EQ(stream.stopping_word(), "yz");
  EXPECT_EQ(stream.text(), "x");
}

TEST(TextStream, FindsTheSameStopHoweverTheTextIsCut) {
  const CounterRng rng(3, 4);
  for (uint64_t round = 0; round < 300; ++round) {
    std::string text;
    for (uint64_t i = 0; i < 30; ++i) {
      text += static_cast<char>('a' + rng.below(round * 100 + i, 2));
    }
    const std::vector<std::string> stops = {"abab", "bbb", "aabba"};
    StopMatcher whole(stops), single(stops);
    std::string once = whole.add(text), cut;
    once += whole.finish();
    for (const char byte : text) cut += single.add({&byte, 1});
    cut += single.finish();
    EXPECT_EQ(cut, once);
    EXPECT_EQ(single.word(), whole.word());
    size_t end = std::string::npos, begin = text.size();
    for (const std::string& stop : stops) {
      const size_t at = text.find(stop);
      if (at == std::string::npos || at + stop.size() >= end) continue;
      end = at + stop.size();
      begin = at;
    }
    EXPECT_EQ(once, text.substr(0, begin));
  }
}

TEST(TextStream, DoesNotLookForStopsBeforeItMay) {
  const Pieces tokenizer({"END", "EN", "D!"});
  TextStream stream(tokenizer, {}, {"END"});
  EXPECT_EQ(stream.add(0, /*may_stop=*/false), "END");
  EXPECT_EQ(stream.add(1), "");
  EXPECT_EQ(stream.add(2), "");
  EXPECT_TRUE(stream.has_stopped());
  EXPECT_EQ(stream.text(), "END");
}

TEST(TextStream, DropsTheBlankOfTheStartOnlyWhereTheTextStarts) {
  const std::vector<std::string> pieces = {"", " the", " cat"};
  const auto text = [&](data::TextStart start, const std::vector<int32_t>& prompt,
                        const std::vector<int32_t>& tokens) {
    const Pieces tokenizer(pieces, start);
    TextStream stream(tokenizer, prompt, {});
    for (const int32_t token : tokens) stream.add(token);
    stream.finish();
    return stream.text();
  };
  using enum data::TextStart;
  EXPECT_EQ(text(kDropsOneBlank, {}, {1, 2}), "the cat");
  EXPECT_EQ(text(kDropsOneBlank, {0}, {1, 2}), "the cat");  // BOS has no text
  EXPECT_EQ(text(kDropsOneBlank, {0, 1}, {2}), " cat");
  EXPECT_EQ(text(kDropsOneBlank, {}, {0, 1}), "the");
  EXPECT_EQ(text(kAsIs, {}, {1, 2}), " the cat");
}

TEST(TextStream, DropsAllBlanksOfTheStartWhereTheModelDoes) {
  const Pieces tokenizer({" ", "  ", "  a", " b"}, data::TextStart::kDropsAllBlanks);
  TextStream stream(tokenizer, std::vector<int32_t>{0}, {});
  EXPECT_EQ(stream.add(1), "");
  EXPECT_EQ(stream.add(2), "a");
  EXPECT_EQ(stream.add(3), " b");
}

TEST(TextStream, WithItsPromptIsWhatASentencePieceModelDecodes) {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / "lckv_text_stream";
  std::filesystem::create_directories(folder);
  std::ofstream text(folder / "a.txt");
  for (int i = 0; i < 500; ++i) text << "word number " << i * 7919 % 500 << " über  alles\n";
  text.close();
  const std::string model = (folder / "m.model").string();
  data::train_sentencepiece({(folder / "a.txt").string()}, {}, model, {.vocab_size = 300});
  const auto tokenizer = data::load_tokenizer(model);
  const CounterRng rng(5, 6);
  const auto at_random = [&](uint64_t first, uint64_t count) {
    std::vector<int32_t> tokens;
    for (uint64_t i = first; i < first + count; ++i) {
      tokens.push_back(static_cast<int32_t>(rng.below(i, 300)));
    }
    return tokens;
  };
  for (uint64_t round = 0; round < 200; ++round) {
    // Bytes that are no character become as many U+FFFD as SentencePiece likes: none of them here.
    const auto is_byte = [&](int32_t id) { return tokenizer->token_bytes(id)[0] & 0x80; };
    std::vector<int32_t> prompt = at_random(100 * round, round % 3),
                         tokens = at_random(100 * round + 10, 8);
    for (auto* list : {&prompt, &tokens}) std::erase_if(*list, is_byte);
    TextStream stream(*tokenizer, prompt, {});
    for (const int32_t token : tokens) stream.add(token);
    stream.finish();
    std::vector<int32_t> all = prompt;
    all.insert(all.end(), tokens.begin(), tokens.end());
    EXPECT_EQ(tokenizer->decode(prompt) + stream.text(), tokenizer->decode(all)) << round;
  }
}

}  // namespace
}  // namespace lckv::infer
