#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lckv/config/model.h"

namespace lckv::infer {

/// How prompts enter the cache (spec/lckv.md 7.2, 7.3).
struct Prefill {
  bool exact = false;  // as if token by token; in models without iterated layers always
  int64_t passes = 1;  // of iterated layers over new tokens, where not exact
  // Tokens of one sequence in one forward; 0: the whole prompt. Each chunk iterates by itself on
  // top of the ones before, which changes results unless they are exact.
  int64_t chunk_tokens = 0;
  bool token_by_token = false;  // exact, and one forward cannot do more

  /// Of `prompt_tokens`, what goes into one forward.
  int64_t tokens_at_once(int64_t prompt_tokens) const;
  /// "exact", "iterate:9", or "iterate:9, chunks of 512" for a prompt that is longer than one.
  std::string text(int64_t prompt_tokens) const;
};

/// "iterate" (m + b passes), "iterate:n", or "exact". Throws ConfigError for anything else.
///
///   chunk_tokens   0: none
Prefill parse_prefill(std::string_view text, int64_t chunk_tokens,
                      const config::ModelConfig& config);

}  // namespace lckv::infer
