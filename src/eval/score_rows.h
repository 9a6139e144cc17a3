#pragma once

#include <atomic>
#include <functional>
#include <span>
#include <vector>

#include "lckv/data/loader.h"
#include "lckv/eval/perplexity.h"
#include "lckv/eval/row_scorer.h"

namespace lckv::eval {

// Long work in parts, which tell how far it is. All are collective over the scorer's grid and throw
// what RowScorer::score() throws.

/// Called after every part with the rows done and their number.
using RowsProgress = std::function<void(size_t, size_t)>;

/// RowScorer::score() of the rows in parts of `part_tokens` inputs, in their order.
std::vector<RequestScore> score_in_parts(Stream& stream, RowScorer& scorer,
                                         std::span<const TokenPair> rows, int64_t part_tokens,
                                         const std::atomic<bool>* stop = nullptr,
                                         const RowsProgress& progress = {});

/// Perplexity over all scored tokens of the rows. T, sequences and mode are left to the caller.
PerplexityResult perplexity_of_rows(Stream& stream, RowScorer& scorer,
                                    std::span<const TokenPair> rows, int64_t part_tokens,
                                    const std::atomic<bool>* stop = nullptr,
                                    const RowsProgress& progress = {});

/// Scorer::score() by rows (perplexity_rows.h), for every forward mode: the same numbers to
/// rounding. `ranks` are the scorer's grid; `progress` counts batches. Throws DataError when the
/// stores' vocabulary is larger than `vocab_size`, the model's; what the loader throws.
PerplexityResult perplexity_by_rows(Stream& stream, RowScorer& scorer,
                                    const comm::Communicators& ranks, int64_t vocab_size,
                                    data::ValidationLoader& loader, int64_t part_tokens,
                                    const std::atomic<bool>* stop = nullptr,
                                    const Scorer::Progress& progress = {});

/// What all copies of the model did together: `work` is one copy's.
RowScorer::Work total_work(Stream& stream, const comm::Communicators& ranks, RowScorer::Work work);

}  // namespace lckv::eval
