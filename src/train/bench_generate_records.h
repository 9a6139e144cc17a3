#pragma once

#include <string>

#include "lckv/train/bench_generate.h"

namespace lckv::train {

/// A row, or a plan, in a format that has no table, with what must stand before it: CSV's names of
/// the columns, JSON's bracket or comma. "" for kMarkdown.
std::string record_text(GenerateFormat format, const GenerateRow& row,
                        const GenerateMachine& machine, bool is_first);
std::string record_text(GenerateFormat format, const GeneratePlan& plan,
                        const BenchGenerateSettings& settings, bool is_first);

}  // namespace lckv::train
