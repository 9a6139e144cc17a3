#pragma once

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/eval/read_documents.h"

namespace lckv::eval {

/// A folder of the test's own, with files that the test writes.
class WrittenFiles : public testing::Test {
 protected:
  WrittenFiles() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("lckv_" + std::string(test->test_suite_name()) + "_" + test->name());
    std::filesystem::create_directories(folder_);
  }
  ~WrittenFiles() override { std::filesystem::remove_all(folder_); }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder_ / name, std::ios::binary) << text;
    return path(name);
  }
  std::vector<Document> read(const std::string& task, const std::string& lines) const {
    return read_documents(find_task(task), {write("d.jsonl", lines), ""});
  }

  std::filesystem::path folder_;
};

}  // namespace lckv::eval
