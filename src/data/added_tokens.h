#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "lckv/data/flat_map.h"
#include "lckv/data/hf_tokenizer_file.h"
#include "lckv/data/regex.h"

namespace lckv::data {

/// Finds added tokens in a text: from the left, the longest of those that begin at one place, and
/// on after it.
class AddedTokens {
 public:
  AddedTokens();

  /// `content` is what is looked for; of two equal ones the first counts.
  void add(const HfAddedToken& token, std::string_view content);

  /// A stretch of the text; what is no added token has no id.
  struct Part {
    size_t begin;
    size_t end;
    std::optional<int32_t> id;
  };
  /// Parts that are not empty, in order, and added tokens.
  std::vector<Part> divide(std::string_view text) const;

 private:
  static constexpr size_t kNoToken = ~size_t{0};

  struct Found {
    size_t begin;
    size_t end;
    size_t token;
  };
  std::optional<Found> find(std::string_view text, size_t from) const;
  std::optional<Found> longest_at(std::string_view text, size_t begin) const;
  bool is_single_word(std::string_view text, const Found& found) const;
  bool is_word_character(std::string_view character) const;

  std::vector<HfAddedToken> tokens_;
  std::array<bool, 256> is_first_byte_{};
  FlatMap branches_;  // node << 8 | byte -> node, of a tree of bytes whose root is 0
  std::vector<size_t> token_at_ = {kNoToken};  // by node: the token that ends there
  Regex word_character_;
};

}  // namespace lckv::data
