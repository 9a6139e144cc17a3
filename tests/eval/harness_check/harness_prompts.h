#pragma once

#include <string>
#include <vector>

#include "lckv/eval/run_tasks.h"

namespace lckv::eval {

// The golden procedure of the harness's v0.3 (spec/evaluation.md section 4): the documents of a
// task in the order of the file, shuffled by Python's Random(42).

/// The SHA-256 of the JSON text of [[context, continuation], ...], in Python's spelling.
std::string prompts_hash(const std::vector<Document>& documents);

/// The results of a task whose request number j scores -random() of a fresh Random(42).
TaskResult score_at_random(const TaskInput& input);

}  // namespace lckv::eval
