#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace lckv::eval {

/// Where results go (spec/evaluation.md 6.1).
struct ResultPaths {
  std::string results;
  std::string folder, time;  // "" when results are one file that was named

  /// Of a task's samples; "" when results are one file.
  std::string samples(const std::string& task) const;
};

/// `output` ending in ".json" is the file itself; else a folder, and results are
/// <output>/<sanitized(model_name)>/results_<file_time(time)>.json.
ResultPaths result_paths(const std::string& output, std::string_view model_name,
                         std::chrono::system_clock::time_point time);

/// "2024-10-28T11-58-07.123456", local time.
std::string file_time(std::chrono::system_clock::time_point time);

/// A model's name with every run of the characters " < > : / | \ ? * [ ] made "__".
std::string sanitized(std::string_view model_name);

}  // namespace lckv::eval
