#pragma once

#include <span>
#include <string>

#include "lckv/eval/task_result.h"

namespace lckv::eval {

/// The table that lm-evaluation-harness prints (spec/evaluation.md 6.2), as GitHub's markdown, for
/// people: tasks in their order, their metrics by name, every number with four decimals.
std::string result_table(std::span<const TaskResult> results);

}  // namespace lckv::eval
