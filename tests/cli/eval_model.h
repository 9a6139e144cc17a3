#pragma once

#include <sstream>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "program.h"

namespace lckv::test {

/// A folder with a model, trained once for all tests of a suite, and one of a test's own.
class EvalModel : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    // Tests of a suite may run in processes of their own, side by side.
    shared_ = fresh_folder(std::string("eval_") +
                           testing::UnitTest::GetInstance()->current_test_suite()->name() + "_" +
                           std::to_string(::getpid()));
    ASSERT_EQ(tiny_store(shared_).exit_code, 0);
    const Outcome trained = run_lckv("train " + tiny_run_file(shared_));
    ASSERT_EQ(trained.exit_code, 0) << trained.output;
  }
  static void TearDownTestSuite() { std::filesystem::remove_all(shared_); }

  EvalModel()
      : folder_(fresh_folder(std::string("eval_") +
                             testing::UnitTest::GetInstance()->current_test_info()->name())) {}
  ~EvalModel() override { std::filesystem::remove_all(folder_); }

  static std::string model() { return (shared_ / "run").string(); }
  static std::string store() { return (shared_ / "train.h5").string(); }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    return write_file(folder_ / name, text);
  }

  /// With one thread in fp32, which is the same everywhere.
  static Outcome eval(const std::string& arguments, const std::string& prefix = "") {
    return run_lckv("eval " + model() + " --threads 1 --precision fp32 " + arguments, prefix);
  }
  static std::string must(const std::string& arguments, const std::string& prefix = "") {
    const Outcome outcome = eval(arguments, prefix);
    EXPECT_EQ(outcome.exit_code, 0) << arguments << "\n" << outcome.output;
    return outcome.output;
  }
  static void expect_refused(const std::string& arguments, int exit_code,
                             const std::string& message) {
    const Outcome outcome = eval(arguments);
    EXPECT_EQ(outcome.exit_code, exit_code) << arguments << "\n" << outcome.output;
    EXPECT_THAT(outcome.output, testing::HasSubstr(message));
  }

  nlohmann::json read_json(const std::string& name) const {
    std::ifstream file(folder_ / name);
    return nlohmann::json::parse(file);
  }
  /// The lines of the one file below the folder whose name starts so.
  std::vector<std::string> lines_of(const std::string& start) const {
    std::vector<std::string> lines;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder_)) {
      if (!entry.path().filename().string().starts_with(start)) continue;
      std::ifstream file(entry.path());
      for (std::string line; std::getline(file, line);) lines.push_back(line);
    }
    return lines;
  }

  std::filesystem::path folder_;

 private:
  static inline std::filesystem::path shared_;
};

inline std::string mpirun_ranks(int ranks) {
  return "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMP_WAIT_POLICY=passive "
         "timeout 60 mpirun --oversubscribe --bind-to none --mca btl self,vader -n " +
         std::to_string(ranks);
}

}  // namespace lckv::test
