#include "lckv/eval/run_tasks.h"

#include <algorithm>
#include <cmath>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/document_rows.h"
#include "lckv/eval/measure.h"

namespace lckv::eval {

namespace {

using DocumentRows = std::vector<std::vector<PromptRows>>;

std::vector<TokenPair> flattened(DocumentRows& documents) {
  std::vector<TokenPair> rows;
  for (auto& prompts : documents) {
    for (PromptRows& prompt : prompts) {
      // Their number is needed again, their tokens are not.
      for (TokenPair& row : prompt.rows) rows.push_back(std::move(row));
    }
  }
  return rows;
}

RequestScore combined(const PromptRows& prompt, std::span<const RequestScore> scores) {
  if (!prompt.error.empty()) return {0, false, prompt.error};
  RequestScore sum{0, true, ""};
  for (const RequestScore& score : scores) {
    if (!score.error.empty()) return {0, false, score.error};
    sum.ll += score.ll;
    sum.ll_squares += score.ll_squares;
    sum.is_greedy = sum.is_greedy && score.is_greedy;
  }
  if (!std::isfinite(sum.ll)) return {0, false, format("the model scores it with {}", sum.ll)};
  return sum;
}

std::optional<Answer> answer_of(const Document& document, const Sample& sample) {
  if (document.choices.empty() || !sample.error().empty()) return std::nullopt;
  std::vector<double> lls;
  for (const RequestScore& score : sample.scores) lls.push_back(score.ll);
  return make_answer(std::move(lls), document.choices);
}

/// Hands the scores of the rows, in their order, back to the prompts that they came from.
void distribute(std::span<const Document> documents, const DocumentRows& rows,
                std::span<const RequestScore> scores, std::vector<Sample>& samples) {
  for (size_t d = 0; d < documents.size(); ++d) {
    for (const PromptRows& prompt : rows[d]) {
      samples[d].scores.push_back(combined(prompt, scores.first(prompt.rows.size())));
      scores = scores.subspan(prompt.rows.size());
    }
    samples[d].answer = answer_of(documents[d], samples[d]);
  }
}

std::vector<std::string> few_shot_prefixes(const TaskInput& input,
                                           std::span<const Document> documents,
                                           const RunOptions& options) {
  FewShot few_shot(*input.task, input.pool, options.shots, options.few_shot_seed);
  std::vector<std::string> prefixes;
  for (const Document& document : documents) prefixes.push_back(few_shot.next(document));
  return prefixes;
}

}  // namespace

size_t documents_to_ask(const std::optional<double>& limit, size_t documents) {
  if (!limit) return documents;
  if (*limit > 0 && *limit < 1) {
    return static_cast<size_t>(std::ceil(static_cast<double>(documents) * *limit));
  }
  if (*limit >= 1 && *limit == std::floor(*limit) && *limit <= 0x1p53) {
    return std::min(documents, static_cast<size_t>(*limit));
  }
  throw ConfigError(
      format("limit {}: expected a number of documents, or a part of them in (0, 1)", *limit));
}

TaskResult run_task(const TaskInput& input, const data::Tokenizer& tokenizer,
                    const RunOptions& options, const ScoreRows& score) {
  const auto documents =
      std::span(input.documents).first(documents_to_ask(options.limit, input.documents.size()));
  TaskResult result;
  result.task = input.task;
  result.shots = options.shots;
  result.original = std::ssize(input.documents);
  std::vector<std::string> prefixes = few_shot_prefixes(input, documents, options);
  DocumentRows prompts = document_rows(*input.task, documents, prefixes, tokenizer,
                                       {options.compat, options.max_inputs, options.threads});
  for (std::string& prefix : prefixes) result.samples.push_back({std::move(prefix), {}, {}});

  const std::vector<TokenPair> rows = flattened(prompts);
  result.rows = std::ssize(rows);
  for (const TokenPair& row : rows) result.tokens += row.inputs();
  const std::vector<RequestScore> scores = score(rows);
  LCKV_CHECK(scores.size() == rows.size(), "one score per row");
  distribute(documents, prompts, scores, result.samples);
  measure(documents, {options.bootstrap_resamples, options.threads}, result);
  return result;
}

std::vector<TaskResult> run_tasks(std::span<const TaskInput> inputs,
                                  const data::Tokenizer& tokenizer, const RunOptions& options,
                                  const ScoreRows& score) {
  std::vector<TaskResult> results;
  for (const TaskInput& input : inputs)
    results.push_back(run_task(input, tokenizer, options, score));
  return results;
}

}  // namespace lckv::eval
