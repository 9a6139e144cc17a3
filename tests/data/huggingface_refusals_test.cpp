#include <functional>

#include <gmock/gmock.h>

#include "huggingface_fixture.h"
#include "lckv/base/error.h"
#include "lckv/base/random.h"

namespace lckv::data {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;

/// A change to a file, and what its refusal names: the place, and what is wrong there.
struct Case {
  std::string file;
  std::string pointer;
  json value;
  std::string place;
  std::string what;
};

class HuggingfaceRefusal : public testing::TestWithParam<Case> {};

TEST_P(HuggingfaceRefusal, NamesThePlace) {
  const Case& c = GetParam();
  json content = fixture_json(c.file + ".tokenizer.json");
  content[json::json_pointer(c.pointer)] = c.value;
  EXPECT_THAT(message_of<DataError>([&] { tokenizer_of(content); }),
              AllOf(HasSubstr("t.json: $" + c.place), HasSubstr(c.what)));
}

json parsed(const char* text) { return json::parse(text); }

std::vector<Case> cases() {
  return {
      {"gpt2", "/version", "2.0", ".version", "expected \"1.0\", got \"2.0\""},
      {"gpt2", "/truncation", {{"max_length", 5}}, ".truncation", "expected null"},
      {"gpt2", "/padding", {{"x", 5}}, ".padding", "expected null"},
      {"gpt2", "/novelty", 1, "", "the field \"novelty\""},
      {"gpt2", "/model/type", "Unigram", ".model.type", "expected \"BPE\", got \"Unigram\""},
      {"gpt2", "/model/dropout", 0.1, ".model.dropout", "expected null, got 0.1"},
      {"gpt2", "/model/end_of_word_suffix", "</w>", ".model.end_of_word_suffix", "</w>"},
      {"gpt2", "/model/new_rule", true, ".model", "new_rule"},
      {"gpt2", "/model/unk_token", "<none>", ".model.unk_token", "<none>"},
      {"gpt2", "/model/vocab/a", 7, ".model.vocab: ", "both have id 7"},
      {"gpt2", "/model/vocab/a", 4000, ".model.vocab[\"a\"]", "from 0 to 899"},
      {"gpt2", "/model/vocab/a", -1, ".model.vocab[\"a\"]", "got -1"},
      {"gpt2", "/model/vocab/a", 1.5, ".model.vocab[\"a\"]", "got 1.5"},
      {"gpt2", "/model/vocab", json::array(), ".model.vocab", "expected an object"},
      {"gpt2", "/model/merges/3", "a b c", ".model.merges[3]", "expected two tokens"},
      {"gpt2", "/model/merges/3", "Q \u00e9\u00e9", ".model.merges[3]", "is not in the vocabulary"},
      {"gpt2", "/model/merges/3", parsed(R"(["q", "q"])"), ".model.merges[3]", "\"qq\" is not in"},
      {"gpt2", "/model/merges/3", 5, ".model.merges[3]", "got 5"},
      {"gpt2", "/normalizer", parsed(R"({"type": "NFC"})"), ".normalizer.type", "got \"NFC\""},
      {"gpt2", "/normalizer",
       parsed(R"({"type": "Sequence", "normalizers": [{"type": "Lowercase"}]})"),
       ".normalizer.normalizers[0].type", "got \"Lowercase\""},
      {"gpt2", "/pre_tokenizer/type", "Whitespace", ".pre_tokenizer.type", "got \"Whitespace\""},
      {"gpt2", "/pre_tokenizer/use_regex", 1, ".pre_tokenizer.use_regex", "true or false, got 1"},
      {"gpt2", "/decoder", nullptr, "", "decoder: null"},
      {"gpt2", "/decoder/type", "WordPiece", ".decoder.type", "ByteLevel"},
      {"gpt2", "/post_processor/type", "BertProcessing", ".post_processor.type", "BertProcessing"},
      {"gpt2", "/added_tokens/0/id", 5, ".added_tokens[0].id", "expected 0"},
      {"gpt2", "/added_tokens/0/special", "yes", ".added_tokens[0].special", "got \"yes\""},
      {"llama3", "/added_tokens/3/id", 4000, ".added_tokens[3].id", "got 4000"},
      {"llama3", "/added_tokens/3/content", "<s>", ".added_tokens[3].content", "no other"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "a**", ".pre_tokenizer", "a**"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\s*", ".pre_tokenizer",
       "can match an empty text"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "[a[b]]", ".pre_tokenizer",
       "a class inside a class"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\w+", ".pre_tokenizer", "\\w"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "\\p{Han}", ".pre_tokenizer",
       "the property Han"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/pattern/Regex", "(?i:ss)", ".pre_tokenizer",
       "(?i:ss)"},
      {"llama3", "/pre_tokenizer/pretokenizers/0/behavior", "Odd",
       ".pre_tokenizer.pretokenizers[0]", "got \"Odd\""},
      {"llama3", "/post_processor/processors/1/special_tokens/<s>/ids", parsed("[1, 2]"),
       ".post_processor.processors[1].special_tokens.<s>.ids", "a list of one id"},
      {"llama3", "/post_processor/processors/1/special_tokens/<s>/ids/0", 99999,
       ".post_processor.processors[1].special_tokens.<s>.ids[0]", "got 99999"},
      {"llama2", "/model/byte_fallback", "no", ".model.byte_fallback", "got \"no\""},
      {"llama2", "/decoder/decoders/3/start", 2, ".decoder.decoders[3].start", "got 2"},
      {"llama2", "/decoder/decoders/0/pattern", parsed(R"({"Regex": "x"})"),
       ".decoder.decoders[0].pattern", "Regex"},
      {"metaspace_first", "/pre_tokenizer/prepend_scheme", "last", ".pre_tokenizer.prepend_scheme",
       "got \"last\""},
      {"metaspace_first", "/pre_tokenizer/add_prefix_space", false, ".pre_tokenizer",
       "contradicts add_prefix_space"},
      {"metaspace_first", "/pre_tokenizer/replacement", "__", ".pre_tokenizer.replacement", "__"},
  };
}

INSTANTIATE_TEST_SUITE_P(Fields, HuggingfaceRefusal, testing::ValuesIn(cases()));

TEST(HuggingfaceTokenizer, RefusesAVocabularyThatLosesText) {
  json content = fixture_json("gpt2.tokenizer.json");
  json& vocab = content["model"]["vocab"];
  const json id = vocab["\u0120"];  // the blank
  vocab.erase("\u0120");
  vocab["\u0120\u0120\u0120\u0120\u0120\u0120"] = id;
  content["model"]["merges"] = json::array();
  EXPECT_THAT(message_of<DataError>([&] { tokenizer_of(content); }),
              AllOf(HasSubstr("byte 0x20 is not in the vocabulary"), HasSubstr("null")));
}

TEST(HuggingfaceTokenizer, RefusesWhatIsNoUnambiguousJson) {
  const auto refusal = [](const std::string& text) {
    return message_of<DataError>([&] { huggingface_tokenizer(text, "t.json", {}); });
  };
  EXPECT_THAT(refusal(""), HasSubstr("t.json: is not valid JSON"));
  EXPECT_THAT(refusal("{\"model\": \"\xFF\"}"), HasSubstr("t.json: is not valid JSON"));
  EXPECT_THAT(refusal("[]"), HasSubstr("t.json: $: expected an object"));
  EXPECT_THAT(refusal(R"({"model": 1, "model": 2})"), HasSubstr("\"model\" occurs twice"));
  EXPECT_THAT(refusal(std::string(1000, '[')), HasSubstr("nested deeper"));
}

// The file with one byte changed, or a stretch taken out, is refused or works.
TEST(HuggingfaceTokenizer, SurvivesDamagedFiles) {
  const CounterRng draw(42, hash_text("damage"));
  int refused = 0;
  for (const char* const name : {"llama3", "llama2", "metaspace_always"}) {
    const std::string whole = read_file(fixture_path(std::string(name) + ".tokenizer.json"));
    for (uint64_t trial = 0; trial < 150; ++trial) {
      std::string damaged = whole;
      const auto at = static_cast<size_t>(draw.uniform(3 * trial) * double(whole.size()));
      if (trial % 3 == 0) {
        damaged.erase(at, static_cast<size_t>(draw.uniform(3 * trial + 1) * 40));
      } else {
        damaged[at] = static_cast<char>(draw.uniform(3 * trial + 2) * 256);
      }
      try {
        const auto tokenizer = huggingface_tokenizer(damaged, "t.json", {});
        tokenizer->decode(tokenizer->encode("<s> the größe of\n12 words 日本"));
      } catch (const DataError&) {
        ++refused;
      }
    }
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace lckv::data
