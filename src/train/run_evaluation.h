#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <vector>

#include "lckv/eval/perplexity.h"
#include "lckv/eval/row_scorer.h"
#include "lckv/train/evaluation_data.h"
#include "lckv/train/exact_validation.h"

namespace lckv::train {

/// A validation: in the passes of training, and where validates_exactly() at the fixed point.
struct Validation {
  eval::PerplexityResult own;
  std::optional<ExactLoss> exact;
  std::optional<eval::KvConvergence> kv;  // where tells_kv_convergence()

  /// The loss by which states are compared: the exact one where there is one.
  double choosing_loss() const { return exact ? exact->loss : own.mean_nll; }
};

/// Scores `all`, and what `data` names of it exactly. A model without iterated layers is at its
/// fixed point after one pass: there the exact loss is its own.
///
///   exact   null where data has no rows to score exactly
///
/// Collective over the grid `ranks`, that of the scorers; the same bits on every rank. Throws what
/// Scorer::score throws; Interrupted on all ranks when `stop` is set on any.
Validation validate(Stream& stream, eval::Scorer& own, eval::RowScorer* exact,
                    const model::ParameterSet& weights, data::ValidationLoader& all,
                    EvaluationData* data, const comm::Communicators& ranks,
                    const std::atomic<bool>& stop);

/// What a model answered to a task.
struct TaskScores {
  std::string name;         // EvaluationTask::name
  eval::TaskResult result;  // without metrics when there is an error
  std::string error;        // why no document has its scores: the model's are not finite
  double elapsed_s = 0;
};

/// Asks the tasks one after the other. Collective, and interrupted, as validate() is.
std::vector<TaskScores> ask_tasks(Stream& stream, eval::RowScorer& scorer,
                                  const EvaluationData& data, const std::atomic<bool>& stop);

}  // namespace lckv::train
