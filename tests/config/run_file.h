#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/config/load.h"

namespace lckv::config {

/// A valid run with nothing but the required keys.
inline const char* kSmallestRun = R"(output: runs/small
model:
  hidden_size: 64
  intermediate_size: 128
  num_hidden_layers: 4
  num_attention_heads: 4
  vocab_size: 100
data:
  train: a.h5
train:
  steps: 10
)";

/// The same as a struct.
inline RunConfig smallest_run() {
  RunConfig run;
  run.output = "runs/small";
  run.model.hidden_size = 64;
  run.model.intermediate_size = 128;
  run.model.num_hidden_layers = 4;
  run.model.num_attention_heads = 4;
  run.model.vocab_size = 100;
  run.data.train = {"a.h5"};
  run.train.steps = 10;
  return run;
}

/// Tests that write files, each into a folder of its own.
class RunFiles : public testing::Test {
 protected:
  RunFiles() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) / "lckv_config" / test->name();
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~RunFiles() override { std::filesystem::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }

  RunConfig load(const std::string& text, const std::vector<std::string>& overrides = {}) const {
    return load_run(write("run.yaml", text), overrides);
  }

  /// The lines of the refusal, the folder's path cut off; none if the text is accepted.
  std::vector<std::string> mistakes(const std::string& text,
                                    const std::vector<std::string>& overrides = {}) const {
    try {
      load(text, overrides);
    } catch (const ConfigError& e) {
      return lines_of(e.what());
    }
    return {};
  }

  std::vector<std::string> lines_of(std::string message) const {
    const std::string prefix = folder_.string() + "/";
    for (size_t at = message.find(prefix); at != std::string::npos; at = message.find(prefix)) {
      message.erase(at, prefix.size());
    }
    std::vector<std::string> lines;
    std::istringstream stream(message);
    for (std::string line; std::getline(stream, line);) lines.push_back(line);
    return lines;
  }

  std::filesystem::path folder_;
};

/// kSmallestRun with `line` in place of the line that begins with the same key, or behind
/// `section:`.
inline std::string with(const std::string& section, const std::string& line) {
  const std::string key = line.substr(0, line.find(':') + 1);
  std::string result;
  std::istringstream stream(kSmallestRun);
  bool placed = false;
  for (std::string old; std::getline(stream, old);) {
    if (old.starts_with("  " + key)) continue;
    result += old + "\n";
    if (old != section + ":") continue;
    result += "  " + line + "\n";
    placed = true;
  }
  if (!placed) result += section + ":\n  " + line + "\n";
  return result;
}

}  // namespace lckv::config
