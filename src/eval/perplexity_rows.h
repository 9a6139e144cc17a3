#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lckv/data/loader.h"
#include "lckv/eval/perplexity_mode.h"
#include "lckv/eval/token_pair.h"
#include "lckv/eval/token_text.h"

namespace lckv::eval {

/// A batch's sequences as rows that score its targets and no others. Under the document mask each
/// document of a sequence is a row of its own: RoPE sees differences of positions alone, so that it
/// may begin at position 0.
std::vector<TokenPair> rows_of(const data::Batch& batch);
/// All batches of the loader, from its first one on.
std::vector<TokenPair> rows_of(data::ValidationLoader& loader);

/// The rows of a text in any mode but kNonoverlap, which cuts stores by their loader; at most T
/// inputs to a row. Where a document begins with BOS, rolling windows take that as its prefix; else
/// BOS, or EOS where there is none, stands in front.
///
/// Throws ConfigError for a stride or T that leave nothing to score; DataError when rolling windows
/// have no prefix, or blocks no BOS to begin with.
std::vector<TokenPair> rows_of(const TokenText& text, const PerplexityMode& mode, int64_t T);

/// What a mode does about BOS, as results state it.
std::string bos_handling(const PerplexityMode& mode);

}  // namespace lckv::eval
