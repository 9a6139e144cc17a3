#pragma once

#include <string>
#include <utility>
#include <vector>

namespace lckv::report {

/// Every key of a run file with its value as text, in the order of the file:
/// {"train.steps", "500"}.
using ConfigTexts = std::vector<std::pair<std::string, std::string>>;

/// From a config.yaml, whatever its keys: also those of another version. `place` is the name used
/// in messages. Throws DataError with file, line and column when it is not one YAML map.
ConfigTexts config_texts(const std::string& yaml, const std::string& place);

/// One key that is not the same in all runs.
struct ConfigDifference {
  std::string key;
  std::vector<std::string> values;  // one per run; kNoKey where it has no such key
};
inline constexpr const char* kNoKey = "(no such key)";

/// The keys in which the runs differ, in the order of the first run's file, then of those after it.
std::vector<ConfigDifference> config_differences(const std::vector<ConfigTexts>& runs);

}  // namespace lckv::report
