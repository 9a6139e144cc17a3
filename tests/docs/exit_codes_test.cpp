#include <functional>
#include <map>
#include <regex>
#include <sstream>

#include <gtest/gtest.h>

#include "../cli/program.h"
#include "document.h"
#include "lckv/base/error.h"
#include "lckv/cli/program.h"

// Every exit code of launch/HANDBOOK.md comes out of the program here.

namespace lckv::docs {
namespace {

namespace fs = std::filesystem;
using test::Outcome;
using test::run_lckv;

/// The codes of the handbook's table.
std::vector<int> codes_of_the_handbook() {
  std::istringstream lines(read_document("launch/HANDBOOK.md"));
  std::vector<int> codes;
  bool inside = false;
  const std::regex row(R"(\| (\d+) \|.*)");
  std::smatch match;
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("## ")) inside = line == "## Exit codes";
    if (inside && std::regex_match(line, match, row)) codes.push_back(std::stoi(match[1]));
  }
  return codes;
}

class ExitCodes : public testing::Test {
 protected:
  ExitCodes()
      : folder_(test::fresh_folder(std::string("exit_code_") +
                                   testing::UnitTest::GetInstance()->current_test_info()->name())) {
    EXPECT_EQ(test::tiny_store(folder_).exit_code, 0);
    run_file_ = test::tiny_run_file(folder_);
  }
  ~ExitCodes() override { fs::remove_all(folder_); }

  Outcome train(const std::string& more = "", const std::string& prefix = "") const {
    return run_lckv("train " + run_file_ + " " + more, prefix);
  }
  std::string path(const std::string& name) const { return (folder_ / name).string(); }

  /// One bit of the middle of a file.
  void flip(const fs::path& file) const {
    std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
    const auto middle = static_cast<std::streamoff>(fs::file_size(file) / 2);
    bytes.seekg(middle);
    const char old = static_cast<char>(bytes.get());
    bytes.seekp(middle);
    bytes.put(static_cast<char>(old ^ 1));
  }

  fs::path folder_;
  std::string run_file_;
};

constexpr const char* kEndless = "--set train.steps=1000000 --set train.log_every_steps=1000";

TEST_F(ExitCodes, AreThoseOfTheProgram) {
  const std::vector<ExitCode> all = {
      ExitCode::kOk,       ExitCode::kCheckFailed, ExitCode::kUsage,   ExitCode::kConfig,
      ExitCode::kData,     ExitCode::kIo,          ExitCode::kDevice,  ExitCode::kComm,
      ExitCode::kDiverged, ExitCode::kInternal,    ExitCode::kRequeue, ExitCode::kInterrupted};
  std::vector<int> numbers;
  for (const ExitCode code : all) numbers.push_back(static_cast<int>(code));
  EXPECT_EQ(codes_of_the_handbook(), numbers);
}

TEST_F(ExitCodes, Done0AndDamage1) {
  ASSERT_EQ(train().exit_code, 0);
  EXPECT_EQ(run_lckv("checkpoint verify " + path("run")).exit_code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(folder_ / "run")) {
    if (entry.path().extension() == ".safetensors") flip(entry.path());
  }
  EXPECT_EQ(run_lckv("checkpoint verify " + path("run")).exit_code, 1);
}

TEST_F(ExitCodes, CommandLine2) {
  EXPECT_EQ(run_lckv("trian " + run_file_).exit_code, 2);
  EXPECT_EQ(train("--stepz 3").exit_code, 2);
}

TEST_F(ExitCodes, Configuration3) { EXPECT_EQ(train("--set train.stepz=3").exit_code, 3); }

TEST_F(ExitCodes, Data4) {
  fs::resize_file(folder_ / "train.h5", fs::file_size(folder_ / "train.h5") / 2);
  EXPECT_EQ(train().exit_code, 4);
}

TEST_F(ExitCodes, FileSystem5) {
  test::write_file(folder_ / "file", "");
  EXPECT_EQ(train("--set output=" + path("file/run")).exit_code, 5);
}

TEST_F(ExitCodes, Device6) {
  EXPECT_EQ(train("--set train.device=cuda", "CUDA_VISIBLE_DEVICES=").exit_code, 6);
}

TEST_F(ExitCodes, Communication7) {
  EXPECT_EQ(train("", "SLURM_STEP_ID=0 SLURM_STEP_NUM_TASKS=2").exit_code, 7);
}

TEST_F(ExitCodes, Diverged8) {
  EXPECT_EQ(train("--set optimizer.lr=1e30 --set train.steps=20").exit_code, 8);
}

using ExitCodesDeathTest = ExitCodes;
TEST_F(ExitCodesDeathTest, Bug70) {
  const auto broken = [] {
    return cli::Command{"broken", [](comm::World&) -> ExitCode {
                          LCKV_CHECK(1 + 1 == 3, "planted");
                          return ExitCode::kOk;
                        }};
  };
  EXPECT_EXIT(std::exit(cli::run_in_world(broken)), testing::ExitedWithCode(70), "planted");
}

TEST_F(ExitCodes, StoppedAfterSaving75) {
  const Outcome outcome = train(std::string(kEndless) + " --set train.time_limit_s=1");
  EXPECT_EQ(outcome.exit_code, 75) << outcome.output;
}

TEST_F(ExitCodes, Interrupted130) {
  ASSERT_EQ(train().exit_code, 0);
  // Ctrl-C after a second, long before so many texts are whole.
  const std::string command =
      "generate " + path("run") + " --prompt cat -n 50 --samples 4000 --ignore-eos --threads 1";
  EXPECT_EQ(run_lckv(command, "timeout --preserve-status -s INT 1").exit_code, 130);
}

}  // namespace
}  // namespace lckv::docs
