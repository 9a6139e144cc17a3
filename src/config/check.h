#pragma once

#include <set>
#include <string>
#include <vector>

#include "lckv/config/run.h"

namespace lckv::config {

/// A broken rule and the key at which to report it.
struct Problem {
  std::string path;
  std::string message;
};

/// Ranges and cross-field rules (spec/lckv.md 1.3). Rules that look at an `unsound` key are left
/// out, and so are those that look at a key out of its range: its own problem says it all.
std::vector<Problem> check_model(const ModelConfig& model,
                                 const std::set<std::string>& unsound = {});
std::vector<Problem> check_run(const RunConfig& run, const std::set<std::string>& unsound = {});

/// "path: message" of each.
std::vector<std::string> messages_of(const std::vector<Problem>& problems);

/// layer_types of a valid model without leading zeros; "" stays "".
std::string canonical_layer_types(const ModelConfig& model);

}  // namespace lckv::config
