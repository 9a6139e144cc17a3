#pragma once

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "lckv/train/exact_validation.h"
#include "run_metrics.h"
#include "tiny_run.h"

namespace lckv::test {

/// Questions in the words of tiny_store(), of two kinds.
inline std::string tiny_questions(const std::filesystem::path& folder) {
  const std::string path = (folder / "tiny.jsonl").string();
  std::ofstream out(path);
  const char* const queries[] = {"the cat sat on the", "a dog ran", "home the mat", "far on a"};
  for (int i = 0; i < 12; ++i) {
    out << R"({"query": ")" << queries[i % 4]
        << R"(", "choices": ["mat", "dog ran", "xq"], "gold": )" << i % 3 << "}\n";
  }
  return path;
}

/// tiny_run() that is evaluated every other step on questions, and validated exactly on all of its
/// validation tokens.
inline config::RunConfig evaluated_run(const std::filesystem::path& folder) {
  config::RunConfig run = tiny_run(folder);
  run.eval.every_steps = 2;
  run.eval.questions = {tiny_questions(folder)};
  run.eval.exact_tokens = 0;
  return run;
}

/// The lines of metrics.jsonl that hold `key`, by step.
inline std::map<int64_t, nlohmann::json> rows_with(const std::string& output,
                                                   const std::string& key) {
  std::map<int64_t, nlohmann::json> rows;
  for (const nlohmann::json& row : metrics_of(output)) {
    if (row.contains(key)) rows[row["step"]] = row;
  }
  return rows;
}

}  // namespace lckv::test
