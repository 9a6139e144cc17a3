#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/infer/batch_sizes.h"
#include "lckv/infer/cached_model.h"
#include "lckv/infer/output_head.h"
#include "lckv/infer/prefill.h"
#include "lckv/infer/request.h"

namespace lckv::infer {

/// What was done, by this copy of the model.
struct GenerationStats {
  int64_t prompt_tokens = 0, new_tokens = 0;
  double prompt_s = 0, new_s = 0;  // of forwards, with the choice of the tokens
  int64_t kv_bytes = 0;            // of the cache, this rank's
  int64_t kv_used_bytes = 0;       // at once, at most
};

/// Continues prompts: prefill, then one token at a time of all sequences that run. A sequence that
/// ends leaves, the next request enters; samples of a request share the keys and values of its
/// prompt. What a request yields does not depend on which others run beside it, but for rounding.
class Generator {
 public:
  struct Options {
    DType dtype = DType::kF32;
    Prefill prefill;
    SinkWindow streaming;
    BatchSizes sizes;
    int threads = 1;  // that choose tokens
    // the grid's; they outlive the generator
    const comm::Communicators* ranks = &comm::single_process();
  };

  /// Takes all its memory from `arena` (planning or real). Throws ConfigError when the streaming
  /// options do not suit the model.
  Generator(Arena& arena, const config::ModelConfig& config, const Options& options);
  /// Once, on a real arena.
  void prepare(Stream& stream);

  /// Text that has become certain with a token; "" where it completes no character.
  struct Event {
    size_t request;
    int64_t sample;
    int32_t token;
    const std::string& text;
  };
  using Listener = std::function<void(const Event&)>;

  /// Collective over the ranks of a model copy, with equal requests; every rank gets the whole.
  /// Completions stand in the order of the requests, a request's samples one after the other.
  ///
  ///   tokenizer   tokens outside its vocabulary are never chosen; nullptr: no text
  ///   listener    called for every token; may be empty, or be there on one rank alone
  ///   stop        looked at after every forward, on all ranks of the copy; then what has begun
  ///               ends as kInterrupted and the rest is missing
  ///
  /// Throws DataError when the model's logits are not finite.
  std::vector<Completion> generate(Stream& stream, const model::ParameterSet& weights,
                                   const data::Tokenizer* tokenizer,
                                   std::span<const Request> requests, const Listener& listener = {},
                                   const std::atomic<bool>* stop = nullptr);

  /// Since the beginning.
  const GenerationStats& stats() const { return stats_; }
  const KvCache& cache() const { return model_.cache(); }

 private:
  class Run;

  Options options_;
  CachedModel model_;
  OutputHead head_;
  GenerationStats stats_;
};

/// A generator in memory of its own.
class PlacedGenerator {
 public:
  PlacedGenerator(const config::ModelConfig& config, const Generator::Options& options,
                  Device device);
  Generator& generator() { return *generator_; }
  Stream& stream() { return stream_; }
  /// Of cache, activations and tables.
  int64_t planned_bytes() const { return plan_.bytes(); }

 private:
  Stream stream_;
  Arena plan_;
  std::optional<Arena> arena_;
  std::optional<Generator> generator_;
};

/// Reduces `options.sizes` until all memory of a generator is at most `memory_bytes`: fewer pages,
/// so that requests wait for each other, then a smaller batch. Throws ConfigError with the least
/// that is needed.
Generator::Options fit_into(int64_t memory_bytes, const config::ModelConfig& config,
                            const Generator::Options& options, std::span<const Request> requests,
                            Device device);

}  // namespace lckv::infer
