#pragma once

#include <string>

#include "lckv/comm/rank_record.h"

namespace lckv::comm {

/// Writes what this rank does and where its threads are (base/stack_trace.h) to
/// `<folder>/stacks-rank-00002.txt`, and to stderr where `folder` is "" or takes no file.
void write_stack_report(const RankRecord& here, const std::string& folder);

/// All of it or as much as goes, past every stream and lock.
void write_to_stderr(const std::string& text);

}  // namespace lckv::comm
