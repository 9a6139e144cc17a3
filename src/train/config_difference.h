#pragma once

#include <map>
#include <string>
#include <vector>

#include "lckv/config/run.h"

namespace lckv::train {

/// Every key of a run file and its value as text, what a saved state records of its configuration.
using ConfigTexts = std::map<std::string, std::string>;
ConfigTexts config_texts(const config::RunConfig& config);

/// The keys in which two configs differ so that continuing one as the other would not be the same
/// run: "optimizer.lr: 0.001, the saved run has 0.0003". Keys that leave the numbers alone
/// (threads, intervals, prefetch, output ...) may differ.
std::vector<std::string> differences_that_matter(const ConfigTexts& now, const ConfigTexts& saved);

}  // namespace lckv::train
