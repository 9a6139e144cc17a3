#pragma once

#include <string_view>

namespace lckv::eval {

/// Whose scores ours compare with (spec/evaluation.md 0).
enum class Compat {
  kLmEval045,  // lm-evaluation-harness v0.4.5, as LCKV's tables: no BOS anywhere
  kLmEvalHead  // from v0.4.9.2 on: BOS in front of every context and page
};

/// "lmeval-0.4.5", "lmeval-head".
std::string_view name(Compat compat);
/// Throws ConfigError for anything else.
Compat parse_compat(std::string_view text);

}  // namespace lckv::eval
