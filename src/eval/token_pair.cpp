#include "lckv/eval/token_pair.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/code_points.h"

namespace lckv::eval {

int32_t prefix_token(const data::Tokenizer& tokenizer) {
  if (tokenizer.bos_id()) return *tokenizer.bos_id();
  if (tokenizer.eos_id()) return *tokenizer.eos_id();
  throw DataError("the context is empty and the tokenizer has neither BOS nor EOS to stand for it");
}

std::vector<int32_t> encode_context(const data::Tokenizer& tokenizer, std::string_view context) {
  return tokenizer.encode(strip_right(context));
}

TokenPair encode_pair(const data::Tokenizer& tokenizer, std::string_view context,
                      std::string_view continuation, const PairOptions& options) {
  return encode_pair(tokenizer, context, encode_context(tokenizer, context), continuation, options);
}

TokenPair encode_pair(const data::Tokenizer& tokenizer, std::string_view context,
                      std::span<const int32_t> head, std::string_view continuation,
                      const PairOptions& options) {
  LCKV_CHECK(!options.bos || tokenizer.bos_id(), "BOS wanted of a tokenizer that has none");
  const std::vector<int32_t> whole =
      tokenizer.encode(std::string(context) + std::string(continuation));
  TokenPair pair;
  pair.scored = std::max<int64_t>(std::ssize(whole) - std::ssize(head), 0);
  if (pair.scored == 0 || pair.scored > options.max_inputs) {
    throw DataError(format("the continuation '{}' has {} tokens, expected 1 to {}", continuation,
                           pair.scored, options.max_inputs));
  }
  if (options.bos || head.empty()) pair.tokens.push_back(prefix_token(tokenizer));
  pair.tokens.insert(pair.tokens.end(), head.begin(), head.end());
  pair.tokens.insert(pair.tokens.end(), whole.end() - pair.scored, whole.end());
  const int64_t excess = std::max<int64_t>(pair.inputs() - options.max_inputs, 0);
  pair.tokens.erase(pair.tokens.begin(), pair.tokens.begin() + excess);
  return pair;
}

}  // namespace lckv::eval
