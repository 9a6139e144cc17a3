#pragma once

#include <span>
#include <string>

#include "lckv/eval/run_tasks.h"

namespace lckv::eval {

// The samples of a task as lm-evaluation-harness v0.4.5 logs them (spec/evaluation.md 6.1).

/// samples_<task>_<time>.jsonl: one line per document asked. A document that could not be scored
/// has "error" and no metrics.
std::string sample_log(const TaskInput& input, const TaskResult& result);

/// A document's first context with its choices, their scores, the pick and the right one, for
/// people to read.
std::string to_text(const Document& document, const Sample& sample);

/// SHA-256 of all samples' doc_hash + prompt_hash + target_hash: equal where documents and prompts
/// are.
std::string task_hash(const TaskInput& input, const TaskResult& result);

}  // namespace lckv::eval
