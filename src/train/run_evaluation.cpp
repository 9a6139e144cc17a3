#include "lckv/train/run_evaluation.h"

#include "lckv/base/activity.h"
#include "lckv/base/clock.h"
#include "lckv/base/error.h"

namespace lckv::train {

namespace {

ExactLoss already_exact(const eval::PerplexityResult& own) {
  return {own.mean_nll, own.mean_nll, 1, own.scored_tokens, 0};
}

}  // namespace

Validation validate(Stream& stream, eval::Scorer& own, eval::RowScorer* exact,
                    const model::ParameterSet& weights, data::ValidationLoader& all,
                    EvaluationData* data, const comm::Communicators& ranks,
                    const std::atomic<bool>& stop) {
  const auto score_own = [&](data::ValidationLoader& loader) {
    return own.score(stream, weights, loader, &stop, [](int64_t, int64_t) { note_progress(); });
  };
  Validation validation{score_own(all), std::nullopt, std::nullopt};
  if (data == nullptr || !data->exact_sequences) return validation;
  const bool is_all = data->exact_sequences->sequences() == all.sequences();
  const eval::PerplexityResult same = is_all ? validation.own : score_own(*data->exact_sequences);
  if (exact == nullptr) {
    validation.exact = already_exact(same);
    return validation;
  }
  validation.exact = score_exactly(stream, *exact, data->exact_rows, ranks, stop);
  LCKV_CHECK(validation.exact->tokens == same.scored_tokens, "both losses are of the same tokens");
  validation.exact->own_loss = same.mean_nll;
  validation.kv = exact->kv_convergence();
  return validation;
}

std::vector<TaskScores> ask_tasks(Stream& stream, eval::RowScorer& scorer,
                                  const EvaluationData& data, const std::atomic<bool>& stop) {
  std::vector<TaskScores> all;
  for (const EvaluationTask& task : data.tasks) {
    const Stopwatch watch;
    TaskScores scores{task.name, {}, "", 0};
    try {
      scores.result = run_task(
          task.input, *data.tokenizer, task.options,
          [&](std::span<const eval::TokenPair> rows) { return scorer.score(stream, rows, &stop); });
    } catch (const DataError& error) {
      scores.result.task = task.input.task;
      scores.error = error.what();  // on every rank: the files were in order at the start
    }
    scores.elapsed_s = watch.elapsed_s();
    all.push_back(std::move(scores));
  }
  return all;
}

}  // namespace lckv::train
