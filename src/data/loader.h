#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lckv/config/data.h"
#include "lckv/data/token_store.h"

// Sequence s of a corpus takes the T+1 tokens from s*T on: T inputs and, one further, T targets.
// Neighbours share one token, so every token but the first is a target once per epoch. A tail
// shorter than that is not used.

namespace lckv::data {

/// Target of a position that is not scored.
constexpr int32_t kIgnore = -1;

struct Batch {
  int64_t B = 0;
  int64_t T = 0;
  std::vector<int32_t> tokens;  // [B, T]
  std::vector<int32_t>
      targets;  // [B, T]; kIgnore where the next token begins another document (document mask)
  std::vector<int32_t>
      first_key;  // [B, T] column where the position's document starts; empty without document mask
  int64_t scored_targets = 0;  // targets that are not kIgnore
  int64_t first_sequence =
      0;  // position in the run (training) or in the corpus (validation) of row 0
};

/// How many sequences of T tokens a corpus holds; may be 0.
int64_t sequence_count(int64_t corpus_tokens, int64_t T);

/// What one of several loaders reads of a stream: of each `per_step` consecutive sequences, a step,
/// those from `begin` up to, not with, `end`.
struct SequenceShare {
  int64_t per_step = 1;
  int64_t begin = 0;
  int64_t end = 1;
};

/// Shuffled batches of `config.train` without end, made ready by a thread of their own. The stream
/// of sequences is a function of (stores, T, seed) alone, neither of B nor of the shares: the
/// shares of a step, one behind the other, are the stream's next per_step sequences.
class TrainLoader {
 public:
  /// Opens the stores. Throws what TokenCorpus throws; DataError when they hold no whole sequence.
  /// B divides end - begin.
  TrainLoader(const config::DataConfig& config, int64_t B, SequenceShare share);
  /// Of the whole stream: each batch is a step.
  TrainLoader(const config::DataConfig& config, int64_t B);
  ~TrainLoader();

  /// The next B sequences of the share. Waits for them; throws what the thread met (DataError,
  /// IoError).
  Batch next();

  /// Sequences of the stream, all shares, in the steps whose last batch was handed out: what a
  /// checkpoint stores, and equal on all ranks between two steps. Inside a step it stays where the
  /// step begins: seek(position()) begins it again.
  int64_t position() const;
  /// Continue at any position, at once; the next step begins there.
  void seek(int64_t position);

  int64_t sequences_per_epoch() const;
  const TokenStoreInfo& tokenizer_info() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// The sequences of `config.validation` in order, up to `max_tokens` (0: all), at least one.
class ValidationLoader {
 public:
  /// Throws as TrainLoader's.
  ValidationLoader(const config::DataConfig& config, int64_t B, int64_t max_tokens = 0);
  ~ValidationLoader();

  /// Nothing at the end. The last batch may have fewer than B sequences.
  std::optional<Batch> next();
  /// Moves past the batch that next() would return, without reading it; at the end, nothing.
  void skip();
  void rewind();

  int64_t sequences() const;
  int64_t batches() const;  // from rewind() to the end
  const TokenStoreInfo& tokenizer_info() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace lckv::data
