#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lckv/eval/token_pair.h"

namespace lckv::eval {

// How a long text is cut into rows of at most T inputs whose last tokens are scored
// (spec/evaluation.md 5.1). `tokens` are the whole text's.

/// `rolling`, of lm-evaluation-harness: the first row starts with `prefix`, each next one scores
/// the next T tokens with one before them, the last has as many before it as fit. Every token is
/// scored once; none for no tokens.
std::vector<TokenPair> rolling_windows(std::span<const int32_t> tokens, int32_t prefix, int64_t T);

/// `sliding`, of Hugging Face's guide: row i reads tokens [i * stride, i * stride + T) and scores
/// those that no row before it read; the text's first token is never scored. stride in [1, T]. None
/// for fewer than two tokens.
std::vector<TokenPair> sliding_windows(std::span<const int32_t> tokens, int64_t T, int64_t stride);

/// `blocks`, of Hugging Face's run_clm.py: blocks of T tokens whose first is never scored; a
/// remainder is dropped. T >= 2.
std::vector<TokenPair> block_windows(std::span<const int32_t> tokens, int64_t T);

/// `llamacpp`: blocks of `context` tokens, the first of each replaced by `bos`; tokens
/// context / 2 + 1 .. context - 1 of each are scored, and a remainder is dropped. context >= 4.
std::vector<TokenPair> llamacpp_windows(std::span<const int32_t> tokens, int32_t bos,
                                        int64_t context);

}  // namespace lckv::eval
