#pragma once

#include <cstdint>
#include <span>

#include "lckv/data/loader.h"
#include "lckv/data/token_corpus.h"

namespace lckv::data {

/// The named sequences of T tokens as a batch, in that order; see loader.h for the cut.
/// `first_sequence` is left 0.
Batch cut_batch(const TokenCorpus& corpus, std::span<const int64_t> sequences, int64_t T,
                bool document_mask);

/// Throws DataError naming the stores when they hold no sequence of T tokens; else returns how
/// many.
int64_t require_sequences(const TokenCorpus& corpus, int64_t T);

}  // namespace lckv::data
