#include "lckv/eval/score_rows.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "lckv/base/activity.h"
#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/perplexity_rows.h"

namespace lckv::eval {

namespace {

/// Log-probabilities added row by row, whoever scored them.
struct Sum {
  double ll = 0, ll_squares = 0;
  int64_t scored = 0, rows = 0;

  void add(std::span<const TokenPair> of, std::span<const RequestScore> scores) {
    for (size_t i = 0; i < of.size(); ++i) {
      ll += scores[i].ll;
      ll_squares += scores[i].ll_squares;
      scored += of[i].scored;
    }
    rows += std::ssize(of);
  }
  PerplexityResult result() const {
    PerplexityResult result;
    result.sequences = rows;
    result.scored_tokens = scored;
    result.mean_nll = scored > 0 ? -ll / static_cast<double>(scored) : 0;
    result.perplexity = std::exp(result.mean_nll);
    result.perplexity_stderr = perplexity_stderr(-ll, ll_squares, scored);
    return result;
  }
};

/// Rows of the next batches, up to `part_tokens` inputs; none at the end.
std::vector<TokenPair> next_rows(data::ValidationLoader& loader, int64_t part_tokens,
                                 int64_t& batches) {
  std::vector<TokenPair> rows;
  for (int64_t tokens = 0; tokens < part_tokens;) {
    const std::optional<data::Batch> batch = loader.next();
    if (!batch) break;
    for (TokenPair& row : rows_of(*batch)) rows.push_back(std::move(row));
    tokens += batch->B * batch->T;
    ++batches;
  }
  return rows;
}

}  // namespace

std::vector<RequestScore> score_in_parts(Stream& stream, RowScorer& scorer,
                                         std::span<const TokenPair> rows, int64_t part_tokens,
                                         const std::atomic<bool>* stop,
                                         const RowsProgress& progress) {
  std::vector<RequestScore> scores;
  while (scores.size() < rows.size()) {
    const size_t begin = scores.size();
    size_t end = begin;
    for (int64_t tokens = 0; end < rows.size() && tokens < part_tokens; ++end) {
      tokens += rows[end].inputs();
    }
    for (RequestScore& score : scorer.score(stream, rows.subspan(begin, end - begin), stop)) {
      scores.push_back(std::move(score));
    }
    note_progress();
    if (progress) progress(end, rows.size());
  }
  return scores;
}

PerplexityResult perplexity_of_rows(Stream& stream, RowScorer& scorer,
                                    std::span<const TokenPair> rows, int64_t part_tokens,
                                    const std::atomic<bool>* stop, const RowsProgress& progress) {
  const Stopwatch watch;
  Sum sum;
  sum.add(rows, score_in_parts(stream, scorer, rows, part_tokens, stop, progress));
  PerplexityResult result = sum.result();
  result.elapsed_s = watch.elapsed_s();
  return result;
}

PerplexityResult perplexity_by_rows(Stream& stream, RowScorer& scorer,
                                    const comm::Communicators& ranks, int64_t vocab_size,
                                    data::ValidationLoader& loader, int64_t part_tokens,
                                    const std::atomic<bool>* stop,
                                    const Scorer::Progress& progress) {
  require_vocabulary(loader.tokenizer_info().vocab_size, vocab_size);
  const Stopwatch watch;
  Sum sum;
  loader.rewind();
  for (int64_t batches = 0; batches < loader.batches();) {
    std::vector<TokenPair> rows;
    const int64_t done = batches;
    const auto read = [&] { rows = next_rows(loader, part_tokens, batches); };
    if (comm::stops_after(*ranks.world, stop && *stop, read)) {
      throw Interrupted(
          format("stopped after {} of {} batches of the validation data", done, loader.batches()));
    }
    sum.add(rows, scorer.score(stream, rows, stop));
    note_progress();
    if (progress) progress(batches, loader.batches());
  }
  PerplexityResult result = sum.result();
  result.sequences = loader.sequences();
  result.elapsed_s = watch.elapsed_s();
  return result;
}

RowScorer::Work total_work(Stream& stream, const comm::Communicators& ranks, RowScorer::Work work) {
  double computed = static_cast<double>(work.computed_tokens);
  ranks.dp->all_reduce(stream, View(&computed, DType::kF64, {1}), comm::ReduceOp::kSum,
                       "computed tokens");
  double passes = static_cast<double>(work.most_passes);
  ranks.dp->all_reduce(stream, View(&passes, DType::kF64, {1}), comm::ReduceOp::kMax,
                       "most passes");
  work.computed_tokens = std::llround(computed);
  work.most_passes = std::llround(passes);
  return work;
}

}  // namespace lckv::eval
