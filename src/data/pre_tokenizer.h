#pragma once

#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lckv/data/hf_tokenizer_file.h"
#include "lckv/data/regex.h"

namespace lckv::data {

/// Where a piece of text lies.
enum class PiecePlace {
  kStartOfText,
  kInside,
  kContinuation,  // goes on where a piece that ended in a newline was cut off
};

/// The words of a piece of text, which the model sees one by one.
struct Words {
  std::vector<std::string_view> all;  // of the piece, or of texts below
  std::deque<std::string> texts;      // made by changing words
};

/// Cuts pieces of text into words.
class PreTokenizer {
 public:
  explicit PreTokenizer(const HfTokenizerFile& file);

  /// Replaces what `words` held. The piece must outlive them.
  void run(std::string_view piece, PiecePlace place, Words& words) const;

 private:
  struct Split {
    Regex regex;
    SplitBehavior behavior;
    bool invert;
  };
  struct Range {
    size_t begin;
    size_t end;
    bool is_match;
  };

  static void split(const Split& split, std::vector<std::string_view>& words);
  static std::vector<Range> ranges_of(const Split& split, std::string_view word);
  void put_blanks(std::string_view piece, PiecePlace place, Words& words) const;
  void put_prefix_spaces(Words& words) const;

  std::vector<Split> splits_;
  std::optional<HfMetaspace> metaspace_;
  std::optional<HfBytes> bytes_;
  std::optional<Split> last_split_;  // of metaspace_ or bytes_
};

}  // namespace lckv::data
