#pragma once

#include <optional>
#include <span>
#include <vector>

#include "lckv/data/tokenizer.h"
#include "lckv/eval/compat.h"
#include "lckv/eval/few_shot.h"
#include "lckv/eval/request.h"
#include "lckv/eval/task_result.h"

namespace lckv::eval {

/// A task with its documents.
struct TaskInput {
  const Task* task = nullptr;
  std::vector<Document> documents;
  std::vector<Document> pool;  // the training split, which few-shot examples come from
};

struct RunOptions {
  int64_t shots = 0;
  std::optional<double> limit;  // documents of a task: their number from 1 on, a part of them below
  Compat compat = Compat::kLmEval045;
  int64_t max_inputs = 0;  // of a row: the model's max_position_embeddings
  uint64_t few_shot_seed = FewShot::kSeed;
  int64_t bootstrap_resamples = 100000;  // 0: perplexity has no standard error
  int threads = 1;                       // that encode texts and resample
};

/// How many of a task's documents are asked: the first `limit`, or ceil(limit * documents) for a
/// limit below 1. Throws ConfigError for a limit that is neither a part nor a number.
size_t documents_to_ask(const std::optional<double>& limit, size_t documents);

/// Asks the model the documents of one task, in one call of `score`, and measures its answers. A
/// prompt that cannot be asked, or whose score is not finite, is an error of its document, never a
/// number.
///
/// Where `score` is collective, all ranks call this with equal arguments. Throws ConfigError
/// (limit, shots of a task that takes none), DataError (too few examples, no document with its
/// scores), and what `score` throws.
TaskResult run_task(const TaskInput& input, const data::Tokenizer& tokenizer,
                    const RunOptions& options, const ScoreRows& score);

/// run_task() of each, in their order.
std::vector<TaskResult> run_tasks(std::span<const TaskInput> inputs,
                                  const data::Tokenizer& tokenizer, const RunOptions& options,
                                  const ScoreRows& score);

}  // namespace lckv::eval
