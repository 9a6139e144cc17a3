#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace lckv::test {

inline std::vector<nlohmann::json> metrics_of(const std::string& output) {
  std::ifstream file(output + "/metrics.jsonl");
  std::vector<nlohmann::json> rows;
  for (std::string line; std::getline(file, line);) rows.push_back(nlohmann::json::parse(line));
  return rows;
}

/// The lines of metrics.jsonl without what tells times; those of saves tell nothing else.
inline std::vector<std::string> timeless_metrics(const std::string& output) {
  std::vector<std::string> lines;
  for (nlohmann::json row : metrics_of(output)) {
    if (row.contains("save_lost_s")) continue;
    for (const char* key : {"tokens_per_s", "executed_frac", "useful_frac", "step_s"})
      row.erase(key);
    lines.push_back(row.dump());
  }
  return lines;
}

}  // namespace lckv::test
