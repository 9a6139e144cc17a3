#include "lckv/eval/result_paths.h"

#include <cstdint>
#include <ctime>

#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

bool splits_paths(char c) { return std::string_view("\"<>:/|\\?*[]").find(c) != std::string::npos; }

}  // namespace

std::string sanitized(std::string_view model_name) {
  std::string result;
  bool in_run = false;
  for (const char c : model_name) {
    const bool splits = splits_paths(c);
    if (!splits) result += c;
    if (splits && !in_run) result += "__";
    in_run = splits;
  }
  return result;
}

std::string file_time(std::chrono::system_clock::time_point time) {
  using std::chrono::microseconds;
  const int64_t us = std::chrono::duration_cast<microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = us / 1'000'000;
  std::tm local{};
  localtime_r(&seconds, &local);
  return format("{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:06}", local.tm_year + 1900, local.tm_mon + 1,
                local.tm_mday, local.tm_hour, local.tm_min, local.tm_sec, us % 1'000'000);
}

std::string ResultPaths::samples(const std::string& task) const {
  return folder.empty() ? "" : format("{}/samples_{}_{}.jsonl", folder, task, time);
}

ResultPaths result_paths(const std::string& output, std::string_view model_name,
                         std::chrono::system_clock::time_point time) {
  if (output.ends_with(".json")) return {output, "", ""};
  ResultPaths paths;
  paths.folder = output + "/" + sanitized(model_name);
  paths.time = file_time(time);
  paths.results = format("{}/results_{}.json", paths.folder, paths.time);
  return paths;
}

}  // namespace lckv::eval
