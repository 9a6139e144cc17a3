#pragma once

#include <string>
#include <vector>

#include "lckv/train/metrics.h"
#include "lckv/train/run_evaluation.h"

namespace lckv::train {

/// The line of metrics.jsonl about a validation.
///
///   validation_loss, validation_perplexity, validation_tokens   in the passes of training
///   validation/loss           the same, or where there is an exact loss, of the tokens of that
///   validation/exact_loss     at the fixed point
///   validation/exact_gap      that less validation/loss
///   validation/exact_passes   most of a forward
///   validation/exact_tokens   scored
///   kv_convergence/pass_2, ..       eval::KvConvergence::changes
///   kv_convergence/exact_distance   if asked for
MetricsRow validation_row(int64_t step, const Validation& validation);

/// A histogram of the event files.
struct Histogram {
  std::string tag;
  std::vector<double> values;
};
/// kv_convergence/rows/pass_2, ..: the logarithms (base 10) of eval::KvConvergence::token_changes;
/// those below 1e-10, as of tokens that did not change, count as 1e-10.
std::vector<Histogram> kv_histograms(const Validation& validation);

/// The line about tasks: eval/<name>/<metric> and eval/<name>/<metric>_stderr, which is NaN where
/// there is none; both NaN for a task that could not be scored.
MetricsRow evaluation_row(int64_t step, const std::vector<TaskScores>& scores);

/// "validation 2.3515 (exact 2.3517, 13 passes), perplexity 10.501 over 4 096 tokens (0.4 s), K,V
/// changed by 1.2e-03 in pass 9, 2.1e-03 from exact".
std::string to_text(const Validation& validation);
/// "questions: acc 0.9200 +- 0.0136, acc_norm 0.9200 +- 0.0136 over 400 documents (1.2 s)".
std::string to_text(const TaskScores& scores);

}  // namespace lckv::train
