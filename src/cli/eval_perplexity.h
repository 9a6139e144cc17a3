#pragma once

#include <optional>

#include "lckv/cli/evaluation.h"
#include "lckv/eval/perplexity.h"
#include "lckv/eval/perplexity_mode.h"

namespace lckv::cli {

constexpr int64_t kBatchesOfPart = 64;  // forwards between two looks at how far the work is

/// What was scored, and how.
struct Scored {
  eval::PerplexityResult result;
  std::optional<eval::RowScorer::Work> work;  // where rows were scored
  bool document_mask = false;
};

// Both are collective and throw on all ranks alike. A dry run writes `plan` and has no result.

/// A store's sequences of T tokens: by the network of training where its passes are the forward
/// mode's, else by rows.
std::optional<Scored> score_sequences(const Evaluation& evaluation, int64_t T,
                                      nlohmann::ordered_json& plan);
/// The windows of a store or a text.
std::optional<Scored> score_windows(const Evaluation& evaluation, const eval::PerplexityMode& mode,
                                    int64_t T, nlohmann::ordered_json& plan);

/// Throws DataError when the store is not the model's tokenizer's.
void require_same_tokenizer(const Evaluation& evaluation);

}  // namespace lckv::cli
