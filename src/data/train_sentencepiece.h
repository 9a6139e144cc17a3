#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/data/text_source.h"

namespace lckv::data {

struct SentencePieceOptions {
  int32_t vocab_size = 8192;
  int64_t sample_bytes = int64_t{16}
                         << 20;  // of text that is learned from; all of it is held in memory
  uint64_t seed = 42;            // of the choice of lines when there is more text
};

struct SentencePieceSummary {
  int32_t vocab_size = 0;  // less than asked for when the text does not hold as many pieces
  int64_t sampled_bytes = 0;
};

/// Learns a lossless byte-pair model from `inputs` (see TextSource), deterministic: the same text,
/// options and library version give the same file. Ids: 0 unknown, 1 BOS, 2 EOS; the newline is a
/// piece of its own; what the text did not show falls back to bytes.
///
/// Written to a temporary name, then renamed to `output`. Throws DataError (text, or a vocabulary
/// too small for it), IoError.
SentencePieceSummary train_sentencepiece(const std::vector<std::string>& inputs,
                                         const TextOptions& text, const std::string& output,
                                         const SentencePieceOptions& options);

}  // namespace lckv::data
