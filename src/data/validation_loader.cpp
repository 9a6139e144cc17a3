#include <algorithm>
#include <numeric>

#include "lckv/base/error.h"
#include "lckv/data/cut_batch.h"
#include "lckv/data/loader.h"

namespace lckv::data {

struct ValidationLoader::State {
  State(const config::DataConfig& c, int64_t batch_sequences, int64_t max_tokens)
      : config(c), B(batch_sequences), corpus(c.validation) {
    LCKV_CHECK(B > 0 && max_tokens >= 0, "ValidationLoader needs B > 0 and max_tokens >= 0");
    sequences = require_sequences(corpus, c.sequence_tokens);
    if (max_tokens > 0) {
      sequences = std::clamp<int64_t>(max_tokens / c.sequence_tokens, 1, sequences);
    }
  }

  int64_t next_count() const { return std::min(B, sequences - next_sequence); }

  const config::DataConfig config;
  const int64_t B;
  const TokenCorpus corpus;
  int64_t sequences = 0;
  int64_t next_sequence = 0;
};

ValidationLoader::ValidationLoader(const config::DataConfig& config, int64_t B, int64_t max_tokens)
    : state_(std::make_unique<State>(config, B, max_tokens)) {}

ValidationLoader::~ValidationLoader() = default;

std::optional<Batch> ValidationLoader::next() {
  State& s = *state_;
  const int64_t count = s.next_count();
  if (count == 0) return std::nullopt;
  std::vector<int64_t> rows(static_cast<size_t>(count));
  std::iota(rows.begin(), rows.end(), s.next_sequence);
  Batch batch = cut_batch(s.corpus, rows, s.config.sequence_tokens, s.config.document_mask);
  batch.first_sequence = s.next_sequence;
  s.next_sequence += count;
  return batch;
}

void ValidationLoader::skip() { state_->next_sequence += state_->next_count(); }

void ValidationLoader::rewind() { state_->next_sequence = 0; }

int64_t ValidationLoader::sequences() const { return state_->sequences; }

int64_t ValidationLoader::batches() const {
  return (state_->sequences + state_->B - 1) / state_->B;
}

const TokenStoreInfo& ValidationLoader::tokenizer_info() const {
  return state_->corpus.tokenizer_info();
}

}  // namespace lckv::data
