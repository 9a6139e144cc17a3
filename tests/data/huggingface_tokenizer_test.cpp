#include <atomic>
#include <thread>

#include <gmock/gmock.h>

#include "huggingface_fixture.h"
#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/data/sha256.h"
#include "lckv/data/utf8.h"

namespace lckv::data {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

class HuggingfaceLaw : public testing::TestWithParam<const char*> {};

/// Strings that the tokenizer gives other tokens than the library.
int differences(const Tokenizer& tokenizer, const std::string& name) {
  const auto strings = fixture_strings();
  const auto expected = fixture_ids(name);
  EXPECT_EQ(strings.size(), expected.size());
  int differing = 0;
  for (size_t i = 0; i < strings.size(); ++i) {
    differing += tokenizer.encode(strings[i]) != expected[i];
  }
  return differing;
}

TEST_P(HuggingfaceLaw, TokensAreThoseOfTheLibrary) {
  const auto tokenizer = fixture_tokenizer(GetParam());
  const auto strings = fixture_strings();
  const auto expected = fixture_ids(GetParam());
  ASSERT_GE(strings.size(), 400u);
  for (size_t i = 0; i < strings.size(); ++i) {
    EXPECT_EQ(tokenizer->encode(strings[i]), expected[i]) << json(strings[i]);
    EXPECT_EQ(tokenizer->encode(strings[i]), expected[i]) << "from the cache: " << strings[i];
  }
}

TEST_P(HuggingfaceLaw, TextIsTheBytesOfItsTokensInARow) {
  const auto tokenizer = fixture_tokenizer(GetParam());
  for (const Ids& ids : fixture_ids(GetParam())) {
    std::string joined;
    for (const int32_t id : ids) joined += tokenizer->token_bytes(id);
    if (tokenizer->text_start() == TextStart::kDropsOneBlank && joined.starts_with(' ')) {
      joined.erase(0, 1);
    }
    EXPECT_EQ(tokenizer->decode(ids), joined);
  }
}

TEST_P(HuggingfaceLaw, AWrongRankOfOneMergeIsNoticed) {
  const json content = fixture_json(std::string(GetParam()) + ".tokenizer.json");
  int noticed = 0;
  for (size_t rank = 0; rank < 10; ++rank) {
    json wrong = content;
    json& merges = wrong["model"]["merges"];
    std::swap(merges[rank], merges[merges.size() - 1]);
    noticed += differences(*tokenizer_of(wrong), GetParam()) > 0;
  }
  EXPECT_GT(noticed, 0);
}

INSTANTIATE_TEST_SUITE_P(Files, HuggingfaceLaw,
                         testing::Values("gpt2", "gpt2_prefix", "llama3", "cased", "llama2",
                                         "gemma", "metaspace_first", "metaspace_always",
                                         "metaspace_never_unk", "always_unk", "split_behaviors"),
                         [](const auto& name) { return std::string(name.param); });

std::string random_text(const CounterRng& draw, uint64_t number) {
  std::string text;
  const auto length = static_cast<int>(draw.uniform(1000 * number) * 30);
  for (int i = 0; i < length; ++i) {
    const auto place = 1000 * number + static_cast<uint64_t>(i);
    const double limit = draw.uniform(place + 400) < 0.5 ? 0x80 : 0x110000;
    const auto c = static_cast<uint32_t>(draw.uniform(place + 700) * limit);
    if (c >= 0xD800 && c < 0xE000) continue;
    const auto tail = [&](int shift) { return static_cast<char>(0x80 | (c >> shift & 0x3F)); };
    if (c < 0x80) text += static_cast<char>(c);
    if (c >= 0x80 && c < 0x800) text += {static_cast<char>(0xC0 | c >> 6), tail(0)};
    if (c >= 0x800 && c < 0x10000) text += {static_cast<char>(0xE0 | c >> 12), tail(6), tail(0)};
    if (c >= 0x10000) text += {static_cast<char>(0xF0 | c >> 18), tail(12), tail(6), tail(0)};
  }
  return text;
}

TEST(HuggingfaceTokenizer, OfBytesGivesBackEveryText) {
  const CounterRng draw(42, hash_text("texts"));
  for (const char* const name : {"gpt2", "cased"}) {
    const auto tokenizer = fixture_tokenizer(name);
    for (uint64_t number = 0; number < 2000; ++number) {
      const std::string text = random_text(draw, number);
      ASSERT_EQ(valid_utf8_prefix(text), text.size());
      ASSERT_EQ(tokenizer->decode(tokenizer->encode(text)), text) << name;
    }
  }
}

TEST(HuggingfaceTokenizer, ATokenMayBeAPartOfACharacter) {
  const auto tokenizer = fixture_tokenizer("gpt2");
  const Ids ids = tokenizer->encode("\U0010FFFF");
  ASSERT_EQ(ids.size(), 4u);
  EXPECT_EQ(tokenizer->token_bytes(ids[0]), "\xF4");
  EXPECT_EQ(tokenizer->piece(ids[0]), "<0xF4>");
  EXPECT_EQ(tokenizer->decode({ids.data(), 3}), "\xF4\x8F\xBF");
}

TEST(HuggingfaceTokenizer, FallsBackOnBytesAndDropsTheBlankInFront) {
  const auto tokenizer = fixture_tokenizer("llama2");
  const Ids ids = tokenizer->encode("a\U0010FFFF");
  ASSERT_EQ(ids.size(), 5u);
  EXPECT_EQ(tokenizer->token_bytes(ids[0]), " a");
  EXPECT_EQ(tokenizer->token_bytes(ids[4]), "\xBF");
  EXPECT_EQ(tokenizer->decode(ids), "a\U0010FFFF");
  EXPECT_EQ(tokenizer->text_start(), TextStart::kDropsOneBlank);
  EXPECT_THROW(tokenizer->token_bytes(tokenizer->vocab_size()), DataError);
  EXPECT_THROW(tokenizer->decode(Ids{-1}), DataError);
}

TEST(HuggingfaceTokenizer, ReadsBosAndEosOffTheTemplate) {
  const auto llama2 = fixture_tokenizer("llama2");
  EXPECT_EQ(llama2->bos_id(), 1);
  EXPECT_EQ(llama2->eos_id(), 2);
  EXPECT_EQ(llama2->piece(1), "<s>");
  EXPECT_EQ(llama2->decode(Ids{1, 2}), "");
  const auto llama3 = fixture_tokenizer("llama3");
  EXPECT_EQ(llama3->piece(llama3->bos_id().value()), "<s>");
  EXPECT_EQ(llama3->eos_id(), std::nullopt);
  EXPECT_EQ(fixture_tokenizer("gpt2")->bos_id(), std::nullopt);
}

TEST(HuggingfaceTokenizer, IsTheDigestOfItsFile) {
  const auto tokenizer = fixture_tokenizer("llama3");
  const std::string bytes = read_file(fixture_path("llama3.tokenizer.json"));
  EXPECT_EQ(tokenizer->kind(), "huggingface");
  EXPECT_EQ(tokenizer->sha256(), sha256_hex(bytes));
  EXPECT_TRUE(tokenizer->model_bytes() == bytes);
}

/// llama2 without the tokens whose flags look across a cut.
std::shared_ptr<const Tokenizer> splittable() {
  json content = fixture_json("llama2.tokenizer.json");
  json& added = content["added_tokens"];
  while (added.size() > 3) added.erase(added.size() - 1);
  return tokenizer_of(content);
}

TEST(HuggingfaceTokenizer, EncodesADocumentInPiecesAsInOne) {
  const auto tokenizer = splittable();
  ASSERT_TRUE(tokenizer->can_split_at_newline());
  int cuts = 0;
  for (const std::string& text : fixture_strings()) {
    const auto whole = tokenizer->encode(text);
    for (size_t cut = text.find('\n'); cut != text.npos; cut = text.find('\n', cut + 1)) {
      auto ids = tokenizer->encode(text.substr(0, cut + 1));
      const auto rest = tokenizer->encode_after_newline(text.substr(cut + 1));
      ids.insert(ids.end(), rest.begin(), rest.end());
      ASSERT_EQ(ids, whole) << json(text) << " cut at " << cut;
      ++cuts;
    }
  }
  EXPECT_GT(cuts, 300);
}

TEST(HuggingfaceTokenizer, IsNotCutWhereTokensMayReachAcross) {
  for (const char* const name : {"gpt2", "llama3", "llama2", "split_behaviors"}) {
    EXPECT_FALSE(fixture_tokenizer(name)->can_split_at_newline()) << name;
  }
}

TEST(HuggingfaceTokenizer, ServesSeveralThreadsAtOnce) {
  const auto tokenizer = fixture_tokenizer("llama3");
  std::vector<std::thread> threads;
  std::atomic<int> wrong = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] { wrong += differences(*tokenizer, "llama3"); });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST(HuggingfaceTokenizer, OnePieceOfAnyLengthIsTaken) {
  const auto llama3 = fixture_tokenizer("llama3");
  const auto llama2 = splittable();
  const size_t length = 2'000'000;
  EXPECT_GT(llama3->encode(std::string(length, ' ')).size(), 0u);
  EXPECT_GT(llama2->encode(std::string(length, 'a')).size(), 0u);
  std::string text = std::string(length, '\n') + "x";
  EXPECT_EQ(llama3->decode(llama3->encode(text)), text);
}

TEST(LoadTokenizer, TakesBosAndEosOfTheConfigBeside) {
  const TempFolder folder;
  folder.write("tokenizer.json", read_file(fixture_path("gpt2.tokenizer.json")));
  folder.write("tokenizer_config.json",
               R"({"bos_token": {"content": "<|endoftext|>"}, "eos_token": "<|endoftext|>"})");
  const auto tokenizer = load_tokenizer(folder.path());  // the folder
  EXPECT_EQ(tokenizer->bos_id(), 0);
  EXPECT_EQ(tokenizer->eos_id(), 0);
  folder.write("tokenizer_config.json", R"({"bos_token": "<nowhere>"})");
  EXPECT_THAT(message_of<DataError>([&] { load_tokenizer(folder.path("tokenizer.json")); }),
              AllOf(HasSubstr("tokenizer_config.json: $.bos_token"), HasSubstr("<nowhere>")));
  folder.write("tokenizer_config.json", "{");
  EXPECT_THAT(message_of<DataError>([&] { load_tokenizer(folder.path("tokenizer.json")); }),
              HasSubstr("tokenizer_config.json: is not valid JSON"));
}

TEST(LoadTokenizer, RefusesAConfigThatContradictsTheTemplate) {
  const TempFolder folder;
  const std::string path =
      folder.write("tokenizer.json", read_file(fixture_path("llama2.tokenizer.json")));
  folder.write("tokenizer_config.json", R"({"bos_token": "</s>"})");
  EXPECT_THAT(message_of<DataError>([&] { load_tokenizer(path); }),
              AllOf(HasSubstr("1 as BOS"), HasSubstr("2 is named")));
}

TEST(LoadTokenizer, NamesWhatAFolderLacks) {
  const TempFolder folder;
  EXPECT_THAT(message_of<IoError>([&] { load_tokenizer(folder.path()); }),
              AllOf(HasSubstr("tokenizer.model"), HasSubstr("tokenizer.json")));
}

TEST(LoadTokenizer, TakesAHuggingfaceTokenizerOutOfATokenStore) {
  const TempFolder folder;
  const json content = fixture_json("gpt2.tokenizer.json");
  const auto tokenizer = tokenizer_of(content, {.bos = 0, .eos = 0});
  {
    TokenStoreWriter writer(folder.path("t.h5"), *tokenizer);
    writer.begin_document();
    writer.append(tokenizer->encode("the cat runs"));
    writer.commit();
  }
  const auto loaded = load_tokenizer(folder.path("t.h5"));
  EXPECT_EQ(loaded->kind(), "huggingface");
  EXPECT_EQ(loaded->sha256(), tokenizer->sha256());
  EXPECT_EQ(loaded->bos_id(), 0);
  EXPECT_EQ(loaded->encode("cat's"), tokenizer->encode("cat's"));
  TokenStore(folder.path("t.h5")).verify();
}

}  // namespace
}  // namespace lckv::data
