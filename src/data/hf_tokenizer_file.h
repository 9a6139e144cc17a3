#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lckv/data/tokenizer.h"

namespace lckv::data {

// What a Hugging Face tokenizer.json asks for, in the order in which it happens to a text:
//
//   added tokens that are not normalised are cut out;
//   each piece between them passes the normalizer, and then the added tokens that are normalised
//   are cut out of it;
//   each piece of that passes the pre-tokenizer: splits, then Metaspace or bytes;
//   each piece of that becomes tokens of the BPE model.
//
// Patterns of the library know Unicode 16, whatever PCRE2 knows (hf_regex.h). Decoding differs from
// the library's where that loses text: bytes that are no UTF-8 stay, an added token of a byte-level
// model is spelled as it is, and a decoder Metaspace drops one blank.

/// A text that stands for a token of its own, whatever the model would make of it.
struct HfAddedToken {
  std::string content;
  int32_t id = 0;
  bool special = false;      // decodes to nothing
  bool single_word = false;  // only where no letter, digit or _ touches it
  bool lstrip = false;       // takes the white space before it along
  bool rstrip = false;       // and after it
  bool normalized = false;   // looked for after the normalizer, itself normalised
};

/// Replaces `from` by `to` everywhere; where `from` is empty, puts `to` in front of a piece that is
/// not empty.
struct HfReplacement {
  std::string from;
  std::string to;
};

/// What becomes of the matches that a split finds.
enum class SplitBehavior { kIsolated, kRemoved, kMergedWithPrevious, kMergedWithNext, kContiguous };

struct HfSplit {
  std::string pattern;  // as PCRE2 has it
  bool is_literal = false;
  SplitBehavior behavior = SplitBehavior::kIsolated;
  bool invert = false;  // what lies between the matches counts as match
};

/// Blanks become U+2581, one of which is put in front.
struct HfMetaspace {
  enum class Prepend { kAlways, kFirst, kNever };  // kFirst: at the start of the text alone
  std::string replacement;
  Prepend prepend = Prepend::kAlways;
  bool split = true;  // in front of every U+2581
};

/// Characters are the bytes of UTF-8.
struct HfBytes {
  bool add_prefix_space = false;  // in front of a piece that does not start with one
  bool use_regex = true;          // split as GPT-2
};

/// Byte-pair encoding.
struct HfBpe {
  std::vector<std::string> tokens;  // by id: what they mean, of a byte-level model bytes
  std::vector<bool> is_foreign;     // by id: of a byte-level model those that spell no bytes
  std::vector<std::pair<int32_t, int32_t>> merges;  // by rank
  std::vector<int32_t> merged;                      // what each becomes
  std::optional<int32_t> unk_id;
  bool fuse_unk = false;
  bool byte_fallback = false;
  bool ignore_merges = false;  // a piece that is a token is that token
};

struct HfDecoder {
  std::vector<HfReplacement> replacements;
  bool byte_fallback = false;
  TextStart start = TextStart::kAsIs;
};

struct HfTokenizerFile {
  std::string json;
  std::string origin;
  std::vector<HfAddedToken> added;
  std::vector<HfReplacement> normalizer;
  std::vector<HfSplit> splits;
  std::optional<HfMetaspace> metaspace;
  std::optional<HfBytes> bytes;  // byte-level
  HfBpe bpe;
  HfDecoder decoder;  // not of a byte-level one
  DocumentIds document;

  int32_t vocab_size() const;
  /// Of an added token or one of the model, spelled as in the file.
  std::optional<int32_t> id_of(const std::string& token) const;

  std::unordered_map<std::string, int32_t> ids;  // by spelling
};

/// Throws DataError as huggingface_tokenizer() says.
HfTokenizerFile read_hf_tokenizer_file(std::string json, const std::string& origin);

/// bos_token and eos_token of a tokenizer_config.json. Throws DataError when it is malformed or
/// they are no tokens of `file`.
DocumentIds document_ids_of_config(const std::string& json, const std::string& origin,
                                   const HfTokenizerFile& file);

std::shared_ptr<const Tokenizer> make_hf_tokenizer(HfTokenizerFile file, const DocumentIds& beside);

}  // namespace lckv::data
