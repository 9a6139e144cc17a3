#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <unistd.h>

namespace lckv::test {

/// The folder of a run, made and removed by a test.
class RunFolder {
 public:
  explicit RunFolder(const std::string& name)
      : root_(std::filesystem::path(testing::TempDir()) /
              ("lckv_report_" + std::to_string(getpid()) + "_" +
               testing::UnitTest::GetInstance()->current_test_info()->name())),
        path_(root_ / name) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~RunFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(root_, ignored);
  }
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  std::string path() const { return path_.string(); }
  std::string write(const std::string& file, const std::string& text) const {
    std::ofstream(path_ / file, std::ios::binary) << text;
    return (path_ / file).string();
  }

 private:
  std::filesystem::path root_, path_;
};

/// A config.yaml of a model of five layers, four of which read layer 3.
inline std::string small_config(const std::string& layer_types = "0_3_3_3_4", int steps = 6) {
  return "output: runs/x\nmodel:\n  hidden_size: 32\n  intermediate_size: 48\n"
         "  num_hidden_layers: 5\n  num_attention_heads: 4\n  num_key_value_heads: 2\n"
         "  vocab_size: 258\n  layer_types: \"" +
         layer_types + "\"\ndata:\n  train: x.h5\n  sequence_tokens: 32\ntrain:\n  steps: " +
         std::to_string(steps) + "\n  sequences_per_step: 2\n";
}

}  // namespace lckv::test
