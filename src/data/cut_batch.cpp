#include "lckv/data/cut_batch.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

// Row `row` keeps to its documents: no target is the first token of the next one, no query looks
// before its own.
void mask_documents(const TokenCorpus& corpus, int64_t first_token, int64_t row, Batch& batch) {
  const int64_t T = batch.T;
  int32_t* first_key = batch.first_key.data() + row * T;
  int32_t* targets = batch.targets.data() + row * T;
  for (const int64_t start : corpus.document_starts(first_token, first_token + T + 1)) {
    const int64_t column = start - first_token;
    if (column > 0) targets[column - 1] = kIgnore;
    std::fill(first_key + column, first_key + T, static_cast<int32_t>(column));
  }
}

}  // namespace

int64_t sequence_count(int64_t corpus_tokens, int64_t T) {
  LCKV_CHECK(T > 0, "sequences need at least one token");
  return corpus_tokens > T ? (corpus_tokens - 1) / T : 0;
}

int64_t require_sequences(const TokenCorpus& corpus, int64_t T) {
  const int64_t count = sequence_count(corpus.token_count(), T);
  if (count == 0) {
    throw DataError(format(
        "{}: {} tokens in {} store(s), but one sequence takes T + 1 = {}; lower "
        "data.sequence_tokens",
        corpus.stores().front().path(), corpus.token_count(), corpus.stores().size(), T + 1));
  }
  return count;
}

Batch cut_batch(const TokenCorpus& corpus, std::span<const int64_t> sequences, int64_t T,
                bool document_mask) {
  Batch batch;
  batch.B = std::ssize(sequences);
  batch.T = T;
  const auto positions = static_cast<size_t>(batch.B * T);
  batch.tokens.resize(positions);
  batch.targets.resize(positions);
  if (document_mask) batch.first_key.assign(positions, 0);
  std::vector<int32_t> cut(static_cast<size_t>(T + 1));
  for (int64_t row = 0; row < batch.B; ++row) {
    const int64_t first_token = sequences[static_cast<size_t>(row)] * T;
    corpus.read(first_token, cut);
    std::copy(cut.begin(), cut.end() - 1, batch.tokens.begin() + row * T);
    std::copy(cut.begin() + 1, cut.end(), batch.targets.begin() + row * T);
    if (document_mask) mask_documents(corpus, first_token, row, batch);
  }
  batch.scored_targets = std::ssize(batch.targets) - std::ranges::count(batch.targets, kIgnore);
  return batch;
}

}  // namespace lckv::data
