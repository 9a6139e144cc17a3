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

/// The lines of events.jsonl.
inline std::vector<nlohmann::json> events_of(const std::string& output) {
  std::ifstream file(output + "/events.jsonl");
  std::vector<nlohmann::json> events;
  for (std::string line; std::getline(file, line);) events.push_back(nlohmann::json::parse(line));
  return events;
}

/// Whether a line tells nothing but what a process of the run met: its times and its memory.
inline bool is_of_process(const nlohmann::json& row) {
  if (row.contains("save_lost_s")) return true;
  for (const auto& entry : row.items()) {
    if (entry.key().starts_with("time/") || entry.key().starts_with("memory/")) return true;
  }
  return false;
}

/// The lines of metrics.jsonl without what tells times and memory.
inline std::vector<std::string> timeless_metrics(const std::string& output) {
  std::vector<std::string> lines;
  for (nlohmann::json row : metrics_of(output)) {
    if (is_of_process(row)) continue;
    for (const char* key : {"tokens_per_s", "executed_frac", "useful_frac", "step_s"})
      row.erase(key);
    lines.push_back(row.dump());
  }
  return lines;
}

}  // namespace lckv::test
