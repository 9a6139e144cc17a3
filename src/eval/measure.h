#pragma once

#include <optional>
#include <span>

#include "lckv/eval/task_result.h"

namespace lckv::eval {

struct MeasureOptions {
  int64_t bootstrap_resamples = 100000;  // 0: perplexity has no standard error
  int threads = 1;
};

/// A document's own value: 0 or 1, or for perplexities the log-probability that they are made of.
/// Nothing where it counts in no metric.
std::optional<double> value_of(Metric metric, const Document& document, const Sample& sample);

/// Fills in `scored`, `errors`, `first_error`, `metrics` and `by_kind` from `result.samples`, those
/// of the first `documents`. Throws DataError with the first error when no document has its scores.
void measure(std::span<const Document> documents, const MeasureOptions& options,
             TaskResult& result);

}  // namespace lckv::eval
