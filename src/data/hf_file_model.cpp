#include <algorithm>
#include <array>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/data/byte_alphabet.h"
#include "lckv/data/hf_file_parts.h"

namespace lckv::data {

namespace {

using nlohmann::json;

constexpr size_t kMaxTokens = size_t{1} << 24;

size_t id_in_vocab(const JsonPlace& vocab, const std::string& token, const json& id, size_t count) {
  if (id.is_number_unsigned() && id.get<uint64_t>() < count) return id.get<size_t>();
  JsonPlace(id, format("{}[\"{}\"]", vocab.place(), token))
      .refuse(format("an id from 0 to {}, as there are {} tokens and no holes", count - 1, count));
}

void read_vocab(const JsonPlace& place, HfTokenizerFile& file) {
  place.require_object();
  const size_t count = place.value().size();
  if (count == 0 || count > kMaxTokens) place.refuse(format("1 to {} tokens", kMaxTokens));
  std::vector<const std::string*> by_id(count, nullptr);
  for (const auto& [token, value] : place.value().items()) {
    const size_t id = id_in_vocab(place, token, value, by_id.size());
    const auto [mine, is_new] = file.ids.emplace(token, static_cast<int32_t>(id));
    if (by_id[id] != nullptr) {
      place.refuse_with(format("\"{}\" and \"{}\" both have id {}", *by_id[id], token, id));
    }
    by_id[id] = &mine->first;
  }
  for (const std::string* const token : by_id) file.bpe.tokens.push_back(*token);
}

/// The two tokens of ["a", "b"] or "a b"; nothing for anything else.
std::optional<std::pair<std::string, std::string>> sides_of(const json& merge) {
  if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
    return std::pair(merge[0].get<std::string>(), merge[1].get<std::string>());
  }
  const std::string text = merge.is_string() ? merge.get<std::string>() : "";
  const size_t blank = text.find(' ');
  if (blank == text.npos || blank != text.rfind(' ')) return std::nullopt;
  return std::pair(text.substr(0, blank), text.substr(blank + 1));
}

void read_merges(const JsonPlace& place, HfTokenizerFile& file) {
  if (!place.value().is_array()) place.refuse("a list");
  for (size_t i = 0; i < place.value().size(); ++i) {
    const auto merge = [&] {
      return JsonPlace(place.value()[i], format("{}[{}]", place.place(), i));
    };
    const auto id_of = [&](const std::string& token) {
      const auto id = file.id_of(token);
      if (!id) merge().refuse_with(format("\"{}\" is not in the vocabulary", token));
      return *id;
    };
    const auto sides = sides_of(place.value()[i]);
    if (!sides) merge().refuse("two tokens");
    file.bpe.merges.emplace_back(id_of(sides->first), id_of(sides->second));
    file.bpe.merged.push_back(id_of(sides->first + sides->second));
  }
}

void require_empty(const JsonPlace& model, const char* name) {
  const auto field = model.find(name);
  if (field && !(field->value().is_string() && field->text().empty())) field->refuse("null");
}

/// Whether some text has no tokens: what the library then drops without a word is refused.
void require_every_text(const JsonPlace& model, const HfTokenizerFile& file) {
  const bool asks_for_both =
      file.bytes && file.bpe.byte_fallback;  // where the library's order is odd
  if (file.bpe.unk_id && !asks_for_both) return;
  std::array<bool, 256> found{};
  for (size_t id = 0; file.bytes && id < file.bpe.tokens.size(); ++id) {
    const std::string& token = file.bpe.tokens[id];
    if (token.size() == 1 && !file.bpe.is_foreign[id]) {
      found[static_cast<unsigned char>(token[0])] = true;
    }
  }
  for (size_t byte = 0; byte < found.size(); ++byte) {
    const bool is_in_utf8 = byte != 0xC0 && byte != 0xC1 && byte < 0xF5;
    const bool falls_back = !file.bytes && file.bpe.byte_fallback;
    if (falls_back) found[byte] = file.id_of(byte_token(byte)).has_value();
    if (is_in_utf8 && !found[byte]) {
      model.refuse_with(format(
          "some texts have no tokens: byte 0x{:02X} is not in the vocabulary, and unk_token is {}",
          byte, file.bpe.unk_id ? "no help there" : "null"));
    }
  }
}

void as_bytes(HfBpe& bpe) {
  for (size_t id = 0; id < bpe.tokens.size(); ++id) {
    auto bytes = bytes_of_visible(bpe.tokens[id]);
    bpe.is_foreign[id] = !bytes;
    if (bytes) bpe.tokens[id] = *std::move(bytes);
  }
}

int32_t expected_id(const HfTokenizerFile& file, int32_t largest_added) {
  const auto model_tokens = static_cast<int32_t>(file.bpe.tokens.size());
  return std::max(model_tokens, largest_added + 1);
}

HfAddedToken added_token(const JsonPlace& place) {
  place.require_known_fields(
      {"id", "content", "special", "single_word", "lstrip", "rstrip", "normalized"});
  HfAddedToken token;
  token.content = place.at("content").text();
  if (token.content.empty()) place.at("content").refuse("a text that is not empty");
  token.id = static_cast<int32_t>(place.at("id").integer(0, INT32_MAX - 1));
  token.special = place.at("special").flag();
  token.single_word = place.at("single_word").flag();
  token.lstrip = place.at("lstrip").flag();
  token.rstrip = place.at("rstrip").flag();
  token.normalized = place.at("normalized").flag();
  return token;
}

}  // namespace

void read_hf_model(const JsonPlace& root, HfTokenizerFile& file) {
  const JsonPlace model = root.at("model");
  const auto type = model.find("type");
  if (type && type->text() != "BPE") type->refuse("\"BPE\"");
  model.require_known_fields({"type", "dropout", "unk_token", "continuing_subword_prefix",
                              "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges",
                              "vocab", "merges"});
  if (const auto dropout = model.find("dropout")) dropout->refuse("null");
  require_empty(model, "continuing_subword_prefix");
  require_empty(model, "end_of_word_suffix");
  read_vocab(model.at("vocab"), file);
  read_merges(model.at("merges"), file);
  HfBpe& bpe = file.bpe;
  bpe.fuse_unk = model.flag_or("fuse_unk", false);
  bpe.byte_fallback = model.flag_or("byte_fallback", false);
  bpe.ignore_merges = model.flag_or("ignore_merges", false);
  if (const auto unk = model.find("unk_token")) {
    bpe.unk_id = file.id_of(unk->text());
    if (!bpe.unk_id) unk->refuse("a token of the vocabulary");
  }
  bpe.is_foreign.resize(bpe.tokens.size(), false);
  if (file.bytes) as_bytes(bpe);
  require_every_text(model, file);
}

void read_hf_added_tokens(const JsonPlace& root, HfTokenizerFile& file) {
  const auto list = root.find("added_tokens");
  if (!list) return;
  int32_t largest = -1;
  for (const JsonPlace& place : list->items()) {
    const HfAddedToken token = added_token(place);
    const bool again = std::ranges::any_of(
        file.added, [&](const HfAddedToken& other) { return other.content == token.content; });
    if (again) place.at("content").refuse("a text that no other added token has");
    const int32_t expected = file.id_of(token.content).value_or(expected_id(file, largest));
    if (token.id != expected) {
      place.at("id").refuse(format("{}: its id in the vocabulary, or the next after it", expected));
    }
    file.ids.emplace(token.content, token.id);
    file.added.push_back(token);
    largest = std::max(largest, token.id);
  }
}

}  // namespace lckv::data
