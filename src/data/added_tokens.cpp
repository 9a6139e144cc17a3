#include "lckv/data/added_tokens.h"

#include <algorithm>
#include <string>

#include "lckv/data/unicode_categories.h"
#include "lckv/data/utf8.h"

namespace lckv::data {

namespace {

constexpr uint64_t kNoNode = ~uint64_t{0};

// \w of Rust's regex crate.
std::string word_characters() {
  std::string members = R"([\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control})";
  for (const char* const category : {"L", "M", "Nd"}) members += *newer_characters(category);
  return members + "]";
}

// White_Space of Unicode.
bool is_space(uint32_t c) {
  return (c >= 0x9 && c <= 0xD) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

/// The character that ends where `text` ends; "" when that is empty.
std::string_view last_character(std::string_view text) {
  if (text.empty()) return text;
  return text.substr(character_boundary(text, text.size() - 1));
}

std::string_view first_character(std::string_view text) {
  return text.empty() ? text : text.substr(0, utf8_character(text, 0).size_bytes);
}

bool is_space(std::string_view character) {
  return !character.empty() && is_space(utf8_character(character, 0).code_point);
}

size_t spaces_at_end(std::string_view text) {
  size_t end = text.size();
  while (is_space(last_character(text.substr(0, end)))) {
    end -= last_character(text.substr(0, end)).size();
  }
  return text.size() - end;
}

size_t spaces_at_start(std::string_view text) {
  size_t at = 0;
  while (is_space(first_character(text.substr(at)))) at += first_character(text.substr(at)).size();
  return at;
}

}  // namespace

AddedTokens::AddedTokens() : word_character_(word_characters(), false, "added tokens") {}

void AddedTokens::add(const HfAddedToken& token, std::string_view content) {
  uint64_t node = 0;
  is_first_byte_[static_cast<unsigned char>(content[0])] = true;
  for (const char byte : content) {
    const uint64_t branch = node << 8 | static_cast<unsigned char>(byte);
    node = branches_.get(branch, kNoNode);
    if (node != kNoNode) continue;
    node = token_at_.size();
    token_at_.push_back(kNoToken);
    branches_.set(branch, node);
  }
  if (token_at_[node] == kNoToken) token_at_[node] = tokens_.size();
  tokens_.push_back(token);
}

std::vector<AddedTokens::Part> AddedTokens::divide(std::string_view text) const {
  std::vector<Part> parts;
  size_t done = 0;
  for (auto found = find(text, 0); found; found = find(text, found->end)) {
    const HfAddedToken& token = tokens_[found->token];
    if (token.single_word && !is_single_word(text, *found)) continue;
    size_t begin = found->begin, end = found->end;
    if (token.lstrip) begin = std::max(begin - spaces_at_end(text.substr(0, begin)), done);
    if (token.rstrip) end += spaces_at_start(text.substr(end));
    if (done < begin) parts.push_back({done, begin, std::nullopt});
    parts.push_back({begin, end, token.id});
    done = end;
  }
  if (done < text.size()) parts.push_back({done, text.size(), std::nullopt});
  return parts;
}

std::optional<AddedTokens::Found> AddedTokens::find(std::string_view text, size_t from) const {
  if (tokens_.empty()) return std::nullopt;
  for (size_t at = from; at < text.size(); ++at) {
    if (!is_first_byte_[static_cast<unsigned char>(text[at])]) continue;
    if (const auto found = longest_at(text, at)) return found;
  }
  return std::nullopt;
}

std::optional<AddedTokens::Found> AddedTokens::longest_at(std::string_view text,
                                                          size_t begin) const {
  std::optional<Found> longest;
  uint64_t node = 0;
  for (size_t at = begin; at < text.size(); ++at) {
    node = branches_.get(node << 8 | static_cast<unsigned char>(text[at]), kNoNode);
    if (node == kNoNode) break;
    if (token_at_[node] != kNoToken) longest = {begin, at + 1, token_at_[node]};
  }
  return longest;
}

bool AddedTokens::is_single_word(std::string_view text, const Found& found) const {
  return !is_word_character(last_character(text.substr(0, found.begin))) &&
         !is_word_character(first_character(text.substr(found.end)));
}

bool AddedTokens::is_word_character(std::string_view character) const {
  return !character.empty() && word_character_.find(character, 0).has_value();
}

}  // namespace lckv::data
