#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lckv/data/tokenizer.h"

namespace lckv::eval {

/// A context and its continuation as one row of tokens; the last `scored` of them are the
/// continuation.
struct TokenPair {
  std::vector<int32_t> tokens;
  int64_t scored = 0;

  /// The model reads all tokens but the last.
  int64_t inputs() const { return static_cast<int64_t>(tokens.size()) - 1; }
  bool operator==(const TokenPair&) const = default;
};

struct PairOptions {
  bool bos = false;        // in front of the context; the tokenizer has one
  int64_t max_inputs = 0;  // longer rows lose tokens at their left
};

/// What stands for an empty context: BOS, else EOS. Throws DataError when there is neither.
int32_t prefix_token(const data::Tokenizer& tokenizer);

/// The tokens that a context has alone, without the white space at its end.
std::vector<int32_t> encode_context(const data::Tokenizer& tokenizer, std::string_view context);

/// spec/evaluation.md section 2: white space at the end of the context moves to the continuation,
/// both are encoded together, and the continuation is what follows the number of tokens that the
/// context alone has. An empty context becomes BOS, or EOS where there is no BOS.
///
/// Throws DataError when the continuation has no token or more than max_inputs, or an empty context
/// has neither BOS nor EOS.
TokenPair encode_pair(const data::Tokenizer& tokenizer, std::string_view context,
                      std::string_view continuation, const PairOptions& options);

/// The same for one of several continuations of a context; `head` is encode_context().
TokenPair encode_pair(const data::Tokenizer& tokenizer, std::string_view context,
                      std::span<const int32_t> head, std::string_view continuation,
                      const PairOptions& options);

}  // namespace lckv::eval
