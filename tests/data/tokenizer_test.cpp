#include "lckv/data/tokenizer.h"

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/data/sha256.h"
#include "lckv/data/train_sentencepiece.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

const std::vector<std::string>& odd_texts() {
  static const std::vector<std::string> texts = {"",
                                                 " ",
                                                 "   ",
                                                 "\n",
                                                 "\n\n\n",
                                                 "a",
                                                 " a",
                                                 "a ",
                                                 "  a  b   c  ",
                                                 "\ttab\t\ttabs",
                                                 "line\nline\r\nCRLF\r\n",
                                                 "\n leading newline",
                                                 "größe naïve Ω",
                                                 "日本語のテキスト",
                                                 "emoji 👩‍👩‍👧 🇩🇪 👍🏽",
                                                 "</s><s><unk> <0x41>",
                                                 "control \x01\x02\x7F",
                                                 "e\u0301 vs \u00e9 ﬁ ½ ｆｕｌｌ",
                                                 "\u00a0nbsp\u2003wide",
                                                 "1234567890",
                                                 lines_of_words(50)};
  return texts;
}

// One model for all tests of this file.
const std::string& trained_model() {
  static const std::string bytes = [] {
    const TempFolder folder;
    SentencePieceOptions options;
    options.vocab_size = 400;
    train_sentencepiece({folder.write("corpus.txt", lines_of_words(2000))}, {},
                        folder.path("out.model"), options);
    EXPECT_THAT(folder.names(), ElementsAre("corpus.txt", "out.model"));
    return read_file(folder.path("out.model"));
  }();
  return bytes;
}

TEST(Sha256, MatchesThePublishedVector) {
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

TEST(BytesTokenizer, GivesBackOddText) {
  const auto tokenizer = load_tokenizer("bytes");
  for (const std::string& text : odd_texts())
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
  EXPECT_THAT(tokenizer->encode("aé"), ElementsAre(97, 0xC3, 0xA9));
}

TEST(BytesTokenizer, NamesItsVocabulary) {
  const auto tokenizer = bytes_tokenizer();
  EXPECT_EQ(tokenizer->vocab_size(), 258);
  EXPECT_EQ(tokenizer->bos_id(), 256);
  EXPECT_EQ(tokenizer->eos_id(), 257);
  EXPECT_EQ(tokenizer->sha256().size(), 64u);
  EXPECT_EQ(tokenizer->piece('a'), "a");
  EXPECT_EQ(tokenizer->piece('\n'), "\\n");
  EXPECT_EQ(tokenizer->piece(0xE2), "<0xE2>");
  EXPECT_EQ(tokenizer->piece(256), "<s>");
  EXPECT_EQ(tokenizer->decode(std::vector<int32_t>{256, 'x', 257}), "x");
  EXPECT_EQ(tokenizer->token_bytes(0xE2), "\xE2");
  EXPECT_EQ(tokenizer->token_bytes(256), "");
  EXPECT_EQ(tokenizer->text_start(), TextStart::kAsIs);
  EXPECT_THROW(tokenizer->piece(258), DataError);
  EXPECT_THROW(tokenizer->token_bytes(258), DataError);
  EXPECT_THROW(tokenizer->decode(std::vector<int32_t>{-1}), DataError);
}

TEST(SentencePiece, GivesBackOddText) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  for (const std::string& text : odd_texts())
    EXPECT_EQ(tokenizer->decode(tokenizer->encode(text)), text);
}

TEST(SentencePiece, LearnsPiecesLongerThanBytes) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  EXPECT_GT(tokenizer->vocab_size(), 256 + 20);
  EXPECT_LE(tokenizer->vocab_size(), 400);
  EXPECT_EQ(tokenizer->bos_id(), 1);
  EXPECT_EQ(tokenizer->eos_id(), 2);
  const std::string text = lines_of_words(20, 99);
  EXPECT_LT(tokenizer->encode(text).size() * 2, text.size());
  EXPECT_EQ(tokenizer->sha256(), sha256_hex(trained_model()));
}

TEST(SentencePiece, NewlineIsAPieceAndNotAByte) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  const auto ids = tokenizer->encode("the\ncat");
  std::string pieces;
  for (const int32_t id : ids) pieces += tokenizer->piece(id) + "|";
  EXPECT_THAT(pieces, HasSubstr("|\\n|"));
}

TEST(SentencePiece, EncodesADocumentInPiecesAsInOne) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  ASSERT_TRUE(tokenizer->can_split_at_newline());
  for (const std::string& text : odd_texts()) {
    const auto whole = tokenizer->encode(text);
    for (size_t cut = text.find('\n'); cut != text.npos; cut = text.find('\n', cut + 1)) {
      auto ids = tokenizer->encode(text.substr(0, cut + 1));
      const auto rest = tokenizer->encode_after_newline(text.substr(cut + 1));
      ids.insert(ids.end(), rest.begin(), rest.end());
      ASSERT_EQ(ids, whole) << text << " cut at " << cut;
    }
  }
}

TEST(SentencePiece, TextIsTheBytesOfItsTokensInARow) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  ASSERT_EQ(tokenizer->text_start(), TextStart::kDropsOneBlank);
  for (const std::string& text : odd_texts()) {
    std::string joined;
    for (const int32_t id : tokenizer->encode(text)) joined += tokenizer->token_bytes(id);
    EXPECT_EQ(joined, text.empty() ? "" : " " + text);
  }
  EXPECT_EQ(tokenizer->token_bytes(*tokenizer->bos_id()), "");
  EXPECT_THROW(tokenizer->token_bytes(tokenizer->vocab_size()), DataError);
}

TEST(SentencePiece, TrainsTheSameModelAgain) {
  const std::string& first =
      trained_model();  // before this test's folder: its own has the same name
  const TempFolder folder;
  SentencePieceOptions options;
  options.vocab_size = 400;
  train_sentencepiece({folder.write("corpus.txt", lines_of_words(2000))}, {},
                      folder.path("again.model"), options);
  EXPECT_TRUE(read_file(folder.path("again.model")) == first);
}

TEST(SentencePiece, LearnsFromABoundedSample) {
  const TempFolder folder;
  SentencePieceOptions options;
  options.vocab_size = 300;
  options.sample_bytes = 20000;
  const std::string text = lines_of_words(20000);
  const auto summary = train_sentencepiece({folder.write("corpus.txt", text)}, {},
                                           folder.path("out.model"), options);
  EXPECT_LT(summary.sampled_bytes, 21000);
  EXPECT_GT(summary.sampled_bytes, 15000);
}

TEST(SentencePiece, SamplesACompressedCorpusToItsEnd) {
  const TempFolder folder;
  SentencePieceOptions options;
  options.vocab_size = 400;
  options.sample_bytes = 20000;
  std::string text = lines_of_words(10000);
  for (int i = 0; i < 10000; ++i) text += "zyxwvutsr zyxwvutsr zyxwvutsr\n";  // the second half
  train_sentencepiece({folder.write("corpus.txt.gz", gzipped(text))}, {}, folder.path("out.model"),
                      options);
  const auto tokenizer = load_tokenizer(folder.path("out.model"));
  EXPECT_LE(tokenizer->encode("zyxwvutsr").size(), 2u);
}

TEST(SentencePiece, TrainsOnTinyTextAndLongLines) {
  const TempFolder folder;
  SentencePieceOptions options;
  options.vocab_size = 2000;
  std::string one_line = lines_of_words(2000);
  std::replace(one_line.begin(), one_line.end(), '\n', ' ');
  const auto summary = train_sentencepiece({folder.write("line.txt", one_line)}, {},
                                           folder.path("line.model"), options);
  EXPECT_LE(summary.vocab_size, 2000);
  EXPECT_GT(summary.sampled_bytes, static_cast<int64_t>(one_line.size()) - 10);
  train_sentencepiece({folder.write("tiny.txt", "a tiny text")}, {}, folder.path("tiny.model"),
                      options);
  const auto tokenizer = load_tokenizer(folder.path("tiny.model"));
  EXPECT_EQ(tokenizer->decode(tokenizer->encode("another text 日")), "another text 日");
}

TEST(SentencePiece, TrainingRefusesBadTextAndLeavesNothing) {
  const TempFolder folder;
  SentencePieceOptions options;
  const std::string bad = folder.write("bad.txt", lines_of_words(5000) + "\xFF");
  EXPECT_THAT(message_of<DataError>(
                  [&] { train_sentencepiece({bad}, {}, folder.path("m.model"), options); }),
              HasSubstr("bad.txt"));
  options.vocab_size = 10;
  const std::string good = folder.write("good.txt", lines_of_words(100));
  EXPECT_THAT(message_of<DataError>(
                  [&] { train_sentencepiece({good}, {}, folder.path("m.model"), options); }),
              AllOf(HasSubstr("good.txt"), HasSubstr("10 pieces")));
  EXPECT_THAT(folder.names(), ElementsAre("bad.txt", "good.txt"));
}

TEST(LoadTokenizer, RefusesAFileThatIsNoModel) {
  const TempFolder folder;
  for (const std::string& content :
       {std::string(), std::string("plain text"), std::string("\x0a\x03"),
        trained_model().substr(0, trained_model().size() / 2)}) {
    const std::string path = folder.write("x.model", content);
    EXPECT_THAT(message_of<DataError>([&] { load_tokenizer(path); }),
                AllOf(HasSubstr(path), HasSubstr("not a SentencePiece model")));
  }
  EXPECT_THAT(message_of<IoError>([&] { load_tokenizer(folder.path("none.model")); }),
              HasSubstr("none.model"));
  EXPECT_THAT(message_of<IoError>([&] { load_tokenizer(folder.path()); }), HasSubstr("folder"));
}

TEST(LoadTokenizer, TakesTheTokenizerOfATokenStore) {
  const auto tokenizer = sentencepiece_tokenizer(trained_model(), "out.model");
  const TempFolder folder;
  {
    TokenStoreWriter writer(folder.path("t.h5"), *tokenizer);
    writer.begin_document();
    writer.append(tokenizer->encode("the cat runs"));
    writer.commit();
  }
  const auto loaded = load_tokenizer(folder.path("t.h5"));
  EXPECT_EQ(loaded->sha256(), tokenizer->sha256());
  EXPECT_TRUE(loaded->model_bytes() == trained_model());
  TokenStore(folder.path("t.h5")).verify();
}

}  // namespace
}  // namespace lckv::data
