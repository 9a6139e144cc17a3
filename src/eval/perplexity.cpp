#include "lckv/eval/perplexity.h"

#include <cmath>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/inference_options.h"

namespace lckv::eval {

namespace {

model::ModelOptions network_options(const Scorer::Options& options) {
  model::ModelOptions network =
      inference_options(options.dtype, options.B, options.T, options.mode);
  network.document_mask = options.document_mask;
  return network;
}

}  // namespace

Scorer::Scorer(Arena& arena, const config::ModelConfig& config, const Options& options)
    : vocab_size_(config.vocab_size),
      mode_(options.mode),
      network_(arena, config, network_options(options)) {}

void Scorer::prepare(Stream& stream) { network_.prepare(stream); }

PerplexityResult Scorer::score(Stream& stream, const model::ParameterSet& weights,
                               data::ValidationLoader& loader, const std::atomic<bool>* stop,
                               const Progress& progress) {
  if (loader.tokenizer_info().vocab_size > vocab_size_) {
    throw DataError(
        format("validation data: its tokenizer has {} tokens, the model's vocabulary {}",
               loader.tokenizer_info().vocab_size, vocab_size_));
  }
  const Stopwatch watch;
  PerplexityResult result;
  result.forward_mode = mode_.text();
  result.T = network_.dims().T;
  double sum_nll = 0;
  loader.rewind();
  while (true) {
    if (stop && *stop) {
      throw Interrupted(format("stopped after {} of {} sequences of the validation data",
                               result.sequences, loader.sequences()));
    }
    const std::optional<data::Batch> batch = loader.next();
    if (!batch) break;
    LCKV_CHECK(batch->T == result.T,
               format("sequences of {} tokens, planned for {}", batch->T, result.T));
    sum_nll += network_.score(stream, weights, {batch->tokens, batch->targets, batch->first_key});
    result.scored_tokens += batch->scored_targets;
    result.sequences += batch->B;
    if (progress) progress(result.sequences, loader.sequences());
  }
  if (result.scored_tokens > 0) sum_nll /= static_cast<double>(result.scored_tokens);
  result.mean_nll = sum_nll;
  result.perplexity = std::exp(sum_nll);
  result.elapsed_s = watch.elapsed_s();
  return result;
}

}  // namespace lckv::eval
