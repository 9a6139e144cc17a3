#pragma once

#include <string>
#include <vector>

#include "lckv/eval/task.h"

namespace lckv::eval {

/// Where the documents of a task are.
struct TaskFiles {
  std::string documents;  // JSON lines, also .gz and .zst
  std::string labels;     // PIQA's: one label per line; "": valid-labels.lst for valid.jsonl
};

/// The documents of a file in their order; blank lines are passed over.
///
/// Throws DataError naming file and line: not UTF-8, not JSON, what the task's format refuses
/// (raw_formats.h), no document at all, labels that are none or not as many as documents. Throws
/// IoError when a file cannot be read.
std::vector<Document> read_documents(const Task& task, const TaskFiles& files);

}  // namespace lckv::eval
