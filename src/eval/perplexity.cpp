#include "lckv/eval/perplexity.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <vector>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/inference_options.h"

namespace lckv::eval {

namespace {

model::ModelOptions network_options(const Scorer::Options& options) {
  model::ModelOptions network =
      inference_options(options.dtype, options.B, options.T, options.mode);
  network.document_mask = options.document_mask;
  network.ranks = options.ranks;
  network.sequence_parallel = options.sequence_parallel;
  return network;
}

}  // namespace

void require_vocabulary(int64_t tokens, int64_t vocab_size) {
  if (tokens <= vocab_size) return;
  throw DataError(format("validation data: its tokenizer has {} tokens, the model's vocabulary {}",
                         tokens, vocab_size));
}

std::optional<double> perplexity_stderr(double sum, double sum_of_squares, int64_t tokens) {
  if (tokens < 2) return std::nullopt;
  const auto count = static_cast<double>(tokens);
  const double mean = sum / count;
  // Equal x may leave a rounding below zero; what is not finite stays so.
  double variance = sum_of_squares / count - mean * mean;
  if (variance < 0) variance = 0;
  return std::exp(mean) * std::sqrt(variance / (count - 1));
}

Scorer::Scorer(Arena& arena, const config::ModelConfig& config, const Options& options)
    : ranks_(*options.ranks),
      vocab_size_(config.vocab_size),
      mode_(options.mode),
      network_(arena, config, network_options(options)) {
  LCKV_CHECK(!mode_.is_sequential() && mode_.converge_eps() == 0,
             format("{}: the network of training runs a fixed number of passes", mode_.text()));
}

void Scorer::prepare(Stream& stream) { network_.prepare(stream); }

void Scorer::score_batch(Stream& stream, const model::ParameterSet& weights,
                         const data::Batch& batch, double& nll, double& scored) {
  LCKV_CHECK(batch.T == network_.dims().T,
             format("sequences of {} tokens, planned for {}", batch.T, network_.dims().T));
  nll = network_.score(stream, weights, {batch.tokens, batch.targets, batch.first_key});
  scored = static_cast<double>(batch.scored_targets);
}

PerplexityResult Scorer::score(Stream& stream, const model::ParameterSet& weights,
                               data::ValidationLoader& loader, const std::atomic<bool>* stop,
                               const Progress& progress) {
  require_vocabulary(loader.tokenizer_info().vocab_size, vocab_size_);
  const Stopwatch watch;
  PerplexityResult result;
  result.forward_mode = mode_.text();
  result.T = network_.dims().T;
  const int64_t copies = ranks_.grid.dp, turn = ranks_.grid.dp_rank();
  // Of every batch, from the copy whose turn it was: summed in their order, whoever scored them.
  std::vector<double> nll(static_cast<size_t>(loader.batches()), 0.0), scored(nll.size(), 0.0);
  loader.rewind();
  for (int64_t first = 0; first < loader.batches(); first += copies) {
    const int64_t end = std::min(first + copies, loader.batches());
    std::optional<data::Batch> own;
    const auto read = [&] {
      for (int64_t batch = first; batch < end; ++batch) {
        if (batch % copies == turn) own = loader.next();
        if (batch % copies != turn) loader.skip();
      }
    };
    if (comm::stops_after(*ranks_.world, stop && *stop, read)) {
      throw Interrupted(
          format("stopped after {} of {} batches of the validation data", first, loader.batches()));
    }
    const auto at = static_cast<size_t>(first + turn);
    if (own) score_batch(stream, weights, *own, nll[at], scored[at]);
    if (progress) progress(end, loader.batches());
  }
  const auto sum_over_copies = [&](std::vector<double>& values, const char* label) {
    const View view(values.data(), DType::kF64, {std::ssize(values)});
    ranks_.dp->all_reduce(stream, view, comm::ReduceOp::kSum, label);
    return std::accumulate(values.begin(), values.end(), 0.0);
  };
  double sum_nll = sum_over_copies(nll, "validation loss");
  result.scored_tokens = static_cast<int64_t>(sum_over_copies(scored, "validation tokens"));
  result.sequences = loader.sequences();
  if (result.scored_tokens > 0) sum_nll /= static_cast<double>(result.scored_tokens);
  result.mean_nll = sum_nll;
  result.perplexity = std::exp(sum_nll);
  result.elapsed_s = watch.elapsed_s();
  return result;
}

}  // namespace lckv::eval
