#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lckv/infer/cached_model.h"
#include "lckv/infer/output_head.h"
#include "lckv/infer/prefill.h"

namespace lckv::infer {

/// Sequences of equal length that begin and end together, as benchmarks have them: nothing is
/// admitted, nothing ends early, tokens are chosen by the device or not at all.
class StaticBatch {
 public:
  struct Options {
    DType dtype = DType::kF32;
    Prefill prefill;
    int64_t sequences = 1;
    // Tokens of one sequence: already there (context), then encoded at once (prompt), then decoded.
    int64_t context_tokens = 0;
    int64_t prompt_tokens = 0;
    int64_t new_tokens = 0;
    // Context and prompt are one for all sequences: encoded once, in pages that all share.
    bool shares_prompt = false;
    // Tokens of one forward over prompts, at most; a prompt that is longer is a forward of its own.
    int64_t prompt_rows = 2048;
    int64_t page_tokens = 16;

    int64_t begun_tokens() const { return context_tokens + prompt_tokens; }
    int64_t most_tokens() const { return begun_tokens() + new_tokens; }
    /// Sequences that are encoded.
    int64_t prompts() const { return shares_prompt ? 1 : sequences; }
    /// Tokens of one prompt in one forward.
    int64_t part_tokens() const;
    /// Of one forward, at most.
    int64_t rows() const;
    /// Places in pages: those that all sequences need when each is at its longest.
    int64_t cache_tokens() const;
  };

  /// Takes all its memory from `arena` (planning or real).
  StaticBatch(Arena& arena, const config::ModelConfig& config, const Options& options);
  /// Once, on a real arena.
  void prepare(Stream& stream);

  enum class Choice : uint8_t {
    kNone,   // logits are computed, and left
    kGreedy  // the likeliest token of every sequence comes to the host: chosen()
  };

  /// Empty sequences, of the prompts alone where they are shared.
  void begin();
  /// More tokens of every prompt, encoded as `prefill` says: [prompts, n], n >= 1.
  void encode(Stream& stream, const model::ParameterSet& weights, std::span<const int32_t> tokens,
              Choice choice);
  /// Every sequence goes on from the shared prompt; nothing happens where prompts are not shared.
  void fork(Stream& stream);
  /// One more token of every sequence: [sequences].
  void decode(Stream& stream, const model::ParameterSet& weights, std::span<const int32_t> tokens,
              Choice choice);
  /// Back to the first `tokens` tokens of the prompts, forks gone; false, and nothing has happened,
  /// when a window has dropped what would be missed.
  bool rewind(int64_t tokens);

  /// By sequence, after kGreedy.
  std::span<const int32_t> chosen() const { return chosen_; }
  const Options& options() const { return options_; }
  const KvCache& cache() const { return model_.cache(); }
  const model::Dims& dims() const { return model_.dims(); }
  /// Of a decoding step; `fresh`: of sequences without a token.
  const model::Plan& decode_plan(bool fresh) { return model_.plan(1, fresh); }

 private:
  void encode_part(Stream& stream, const model::ParameterSet& weights,
                   std::span<const int32_t> tokens, int64_t begin, int64_t end, Choice choice);
  /// Head of the wanted rows of a forward, which are those of sequences `first` and following.
  void finish(Stream& stream, const model::ParameterSet& weights, ConstView hidden, int64_t first,
              Choice choice);
  void fetch_chosen(Stream& stream, int64_t count);

  Options options_;
  CachedModel model_;
  OutputHead head_;
  View chosen_on_device_;  // [sequences] I32
  std::vector<int64_t> sequences_;
  std::vector<int32_t> chosen_;
};

/// What a batch and the weights it runs on take, by the very code that allocates.
struct BatchMemory {
  int64_t weights_bytes = 0;
  int64_t kv_bytes = 0;
  int64_t other_bytes = 0;  // activations, logits, tables

  int64_t total_bytes() const { return weights_bytes + kv_bytes + other_bytes; }
};

/// Nothing is allocated.
BatchMemory plan_batch(const config::ModelConfig& config, const StaticBatch::Options& options,
                       Device device);

}  // namespace lckv::infer
