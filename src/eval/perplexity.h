#pragma once

#include <atomic>
#include <functional>
#include <optional>
#include <string>

#include "lckv/comm/communicators.h"
#include "lckv/data/loader.h"
#include "lckv/eval/forward_mode.h"
#include "lckv/model/model.h"

namespace lckv::eval {

struct PerplexityResult {
  std::string forward_mode;  // ForwardMode::text()
  int64_t T = 0;
  int64_t sequences = 0;
  int64_t scored_tokens = 0;
  double mean_nll = 0;                      // over all scored tokens, in nats; summed in double
  double perplexity = 0;                    // exp(mean_nll)
  std::optional<double> perplexity_stderr;  // perplexity_stderr(); none where the network scores
  double elapsed_s = 0;
};

/// llama.cpp's error of a perplexity: exp(E[x]) sqrt((E[x^2] - E[x]^2) / (tokens - 1)), from the
/// sums of every token's x, its NLL in nats, and of x^2. None for fewer than two tokens.
std::optional<double> perplexity_stderr(double sum, double sum_of_squares, int64_t tokens);

/// Throws DataError when the tokenizer of validation data has more tokens than the model.
void require_vocabulary(int64_t tokens, int64_t vocab_size);

/// Perplexity of token stores in non-overlapping sequences of T inputs and T targets; every target
/// of a sequence counts, the first with one token of context. Made once, used as often as the
/// weights change. The network is that of training; perplexity_by_rows() is the same for every
/// forward mode.
class Scorer {
 public:
  struct Options {
    DType dtype = DType::kF32;  // of the weights
    int64_t B = 1;              // sequences of one forward
    int64_t T = 1;
    bool document_mask = false;
    ForwardMode mode = ForwardMode::iterate(1);  // no other kind
    // the grid's; they outlive the scorer. Copies of the model take batches in turn.
    const comm::Communicators* ranks = &comm::single_process();
    bool sequence_parallel = false;
  };

  /// Plans or takes its activations from `arena`; the weights stay the caller's. Call prepare()
  /// once on a real arena.
  Scorer(Arena& arena, const config::ModelConfig& config, const Options& options);
  void prepare(Stream& stream);

  /// Called after every batch with the batches done and their number.
  using Progress = std::function<void(int64_t, int64_t)>;

  /// Scores the loader's sequences from its first one on. A loader of the same B or a smaller one,
  /// the same T and document mask. Collective over the grid; the same bits on every rank, and for
  /// every number of copies.
  ///
  /// Throws DataError when the stores' vocabulary is larger than the model's, and what the loader
  /// throws; Interrupted on all ranks when `stop` is set on any, looked at before every batch.
  PerplexityResult score(Stream& stream, const model::ParameterSet& weights,
                         data::ValidationLoader& loader, const std::atomic<bool>* stop = nullptr,
                         const Progress& progress = {});

  const model::Plan& plan() const { return network_.plan(); }

 private:
  void score_batch(Stream& stream, const model::ParameterSet& weights, const data::Batch& batch,
                   double& nll, double& scored);

  const comm::Communicators& ranks_;
  int64_t vocab_size_;
  ForwardMode mode_;
  model::Model network_;
};

}  // namespace lckv::eval
