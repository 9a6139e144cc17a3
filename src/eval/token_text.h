#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"

namespace lckv::eval {

/// Tokens of documents, one after the other, in memory.
struct TokenText {
  std::vector<int32_t> tokens;
  std::vector<int64_t> document_starts;  // ascending; the first is 0
  std::optional<int32_t> bos, eos;       // of the tokenizer
  int32_t vocab_size = 0;                // of the tokenizer
};

// At most `max_tokens` tokens, 0: all; the last document may be cut.

/// Throws what data::TokenStore throws.
TokenText read_token_store(const std::string& path, int64_t max_tokens);

/// The documents of .txt and .jsonl files (data/text_source.h), BOS in front of each where the
/// tokenizer has one: the tokens that `lckv tokenize` stores. Throws as data::TextSource does.
TokenText encode_text_files(const std::string& input, const data::Tokenizer& tokenizer,
                            int64_t max_tokens);

/// Whether `path` names text and no token store: .txt, .jsonl, also compressed, or a folder.
bool is_text(const std::string& path);

}  // namespace lckv::eval
