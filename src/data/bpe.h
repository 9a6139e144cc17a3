#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lckv/data/flat_map.h"
#include "lckv/data/hf_tokenizer_file.h"
#include "lckv/data/word_cache.h"

namespace lckv::data {

/// Byte-pair encoding: a word starts as its bytes or characters; of all neighbours that the list of
/// merges names, those named first merge first, the leftmost of them first, until none is left.
class Bpe {
 public:
  Bpe(const HfBpe& file, bool byte_level);

  /// Appends the tokens of a word, which is well-formed UTF-8 and not empty. `cache` has been used
  /// with this model alone.
  void encode(std::string_view word, WordCache& cache, std::vector<int32_t>& ids) const;

  /// Whether no token reaches across the end of a line, so that
  ///   encode(a + "\n" + b) == encode(a + "\n") followed by encode(b).
  bool ends_at_newline() const { return ends_at_newline_; }

 private:
  class LongWord;
  static constexpr int32_t kNone = -1;

  /// The tokens that a word starts as.
  struct Units {
    std::vector<int32_t> ids;
    bool unk_pending = false;
  };

  void take_bytes(const HfBpe& file);
  void take_characters(const HfBpe& file);
  void take_whole_words(const HfBpe& file);
  void find_boundaries(const HfBpe& file);

  void encode_part(std::string_view part, WordCache& cache, std::vector<int32_t>& ids) const;
  std::vector<int32_t> units_of(std::string_view part) const;
  void append_bytes(std::string_view part, Units& units) const;
  void append_characters(std::string_view part, Units& units) const;
  void append_unit(int32_t id, Units& units) const;
  bool append_fallback(std::string_view character, Units& units) const;

  /// Rank << 32 | what the two become; all ones where they do not merge.
  uint64_t merge_of(int32_t left, int32_t right) const;
  void merge_short(std::vector<int32_t>& ids) const;
  void merge_long(std::vector<int32_t>& ids) const;

  bool byte_level_;
  bool fuse_unk_;
  bool ignore_merges_;
  bool byte_fallback_;
  std::optional<int32_t> unk_id_;
  std::array<int32_t, 256> byte_ids_;  // of a byte; of "<0xE2>" where bytes are to fall back on
  FlatMap characters_;                 // code point -> id
  FlatMap merges_;                     // of a pair -> merge_of()
  std::vector<std::string> tokens_;    // what whole_words_ looks at
  std::unordered_map<std::string_view, int32_t> whole_words_;
  bool starts_at_blank_ = false;  // no token reaches from another character to U+2581
  bool ends_at_newline_ = false;
};

}  // namespace lckv::data
