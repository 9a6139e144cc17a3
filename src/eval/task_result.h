#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "lckv/eval/accuracy.h"
#include "lckv/eval/metrics.h"
#include "lckv/eval/request.h"
#include "lckv/eval/task.h"

namespace lckv::eval {

/// What came of one document.
struct Sample {
  std::string prefix;                // few-shot examples that stood in front of every context
  std::vector<RequestScore> scores;  // one per prompt; a page's is the sum over its rows
  std::optional<Answer> answer;      // of choices, unless a score is missing

  /// Of the first prompt that has no score; "" when all have one.
  std::string error() const;
};

struct MetricResult {
  Metric metric = Metric::kAcc;
  Estimate estimate;
};

/// What came of the documents of one kind.
struct KindResult {
  int64_t scored = 0;
  std::vector<MetricResult> metrics;
};

/// What came of a task. Documents without a score for each prompt, or whose right answer is not
/// known, count in no metric.
struct TaskResult {
  const Task* task = nullptr;
  int64_t shots = 0;
  int64_t original = 0;               // documents of the file
  std::vector<Sample> samples;        // of the documents asked, which come first in the file
  int64_t scored = 0;                 // documents in the metrics
  int64_t errors = 0;                 // documents with a prompt that has no score
  std::string first_error;            // with the document's place
  int64_t rows = 0;                   // scored by the model
  int64_t tokens = 0;                 // that the model read in them
  std::vector<MetricResult> metrics;  // in the task's order; empty when scored = 0
  // of choices; empty where no document names a kind
  std::map<std::string, KindResult> by_kind;
};

}  // namespace lckv::eval
