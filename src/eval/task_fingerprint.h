#pragma once

#include <span>
#include <string>

#include "lckv/eval/run_tasks.h"

namespace lckv::eval {

/// Equal where the documents of all tasks, and those that few-shot examples come from, are: what
/// ranks compare before they score together. A line per task.
std::string task_fingerprint(std::span<const TaskInput> inputs);

}  // namespace lckv::eval
