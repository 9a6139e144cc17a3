#include "lckv/cli/eval_tasks.h"

#include <fmt/core.h>

#include "lckv/base/log.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/score_rows.h"
#include "lckv/eval/task_fingerprint.h"

namespace lckv::cli {

namespace {

constexpr int64_t kBatchTokens = 2048;
constexpr int64_t kBatchesOfPart = 256;  // forwards between two looks at how far a task is

eval::ScoreRows scorer_of(const Evaluation& e, Stream& stream, eval::RowScorer& scorer,
                          const std::string& task) {
  const int64_t part_tokens = kBatchesOfPart * e.scorer_options(kBatchTokens).batch_tokens;
  return [&e, &stream, &scorer, task, part_tokens](std::span<const eval::TokenPair> rows) {
    ScoringProgress progress(task);
    return eval::score_in_parts(stream, scorer, rows, part_tokens, &e.stop,
                                [&](size_t done, size_t all) {
                                  progress(static_cast<int64_t>(done), static_cast<int64_t>(all));
                                });
  };
}

AnsweredTasks answer(const Evaluation& e, AskedTasks& asked) {
  AnsweredTasks answered;
  answered.start = std::chrono::system_clock::now();
  Stream stream(e.device);
  eval::RowScorer scorer(e.source.config(), e.weights, e.scorer_options(kBatchTokens));
  for (size_t i = 0; i < asked.inputs.size(); ++i) {
    eval::TaskInput& input = asked.inputs[i];
    const std::string& name = input.task->name;
    log_info(format("{}: {} documents of {}", name,
                    eval::documents_to_ask(asked.options.limit, input.documents.size()),
                    asked.files[i]));
    // Scores are equal on all ranks, and so is what is thrown for want of them.
    try {
      answered.results.push_back(eval::run_task(input, *asked.tokenizer, asked.options,
                                                scorer_of(e, stream, scorer, name)));
      answered.inputs.push_back(std::move(input));
    } catch (const DataError& error) {
      answered.failures.push_back(error.what());
    }
  }
  answered.work = eval::total_work(stream, e.ranks, scorer.work());
  answered.end = std::chrono::system_clock::now();
  return answered;
}

/// Requests and tokens without their scores.
nlohmann::ordered_json plan(const Evaluation& e, const AskedTasks& asked) {
  eval::RunOptions options = asked.options;
  options.bootstrap_resamples = 0;
  const eval::RowScorer::Options scorer = e.scorer_options(kBatchTokens);
  nlohmann::ordered_json result;
  for (const eval::TaskInput& input : asked.inputs) {
    eval::run_task(input, *asked.tokenizer, options, [&](std::span<const eval::TokenPair> rows) {
      const PlannedRows planned = plan_rows(rows, scorer.shares_prefixes);
      result["tasks"][input.task->name] =
          report_plan(e, input.task->name, planned, planned_bytes(e, planned, scorer));
      return std::vector<eval::RequestScore>(rows.size());
    });
  }
  return result;
}

bool lacks_scores(const AnsweredTasks& answered) {
  for (const eval::TaskResult& result : answered.results) {
    if (result.errors > 0) return true;
  }
  return !answered.failures.empty();
}

}  // namespace

EvalOutcome ask_tasks(const Evaluation& e) {
  AskedTasks asked;
  comm::together(e.world, [&] { asked = read_asked_tasks(e); });
  comm::require_equal_texts(
      e.world, "what is asked",
      format("{}tokenizer {}", eval::task_fingerprint(asked.inputs), asked.tokenizer->sha256()));
  if (e.args.dry_run) return {plan(e, asked)};
  const AnsweredTasks answered = answer(e, asked);
  if (answered.results.empty()) {
    throw comm::AgreedError(answered.failures.front(), ExitCode::kData);
  }
  comm::together(e.world, [&] {
    if (!e.speaks()) return;
    print_answers(e, answered);
    write_results(e, asked, answered);
  });
  return {to_json(e, asked, answered), lacks_scores(answered) ? ExitCode::kData : ExitCode::kOk};
}

}  // namespace lckv::cli
