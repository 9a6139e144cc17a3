#pragma once

#include <string>

#include "lckv/eval/read_documents.h"

namespace lckv::eval {

// Files of a task in a folder of many tasks, under the names that they usually have, also .gz and
// .zst: <task>.jsonl, <task>_<split>.jsonl, <task>/<split>.jsonl, or as the dataset's authors call
// them. The first of these that exists is taken.

/// The evaluated split. Throws IoError naming what was looked for when there is none.
TaskFiles find_task_files(const Task& task, const std::string& folder);

/// The training split, whose documents few-shot examples are. Throws IoError likewise.
std::string find_few_shot_file(const Task& task, const std::string& folder);

}  // namespace lckv::eval
