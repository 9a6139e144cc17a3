#include "lckv/kernels/gemm_algorithm_file.h"

#include <fstream>
#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::ops::cuda {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Optional;

constexpr GemmAlgorithm kOne = {1, 2, 3, 4, 5, 6, 7, 0xffffffffffffffff};
constexpr GemmAlgorithm kTwo = {8, 7, 6, 5, 4, 3, 2, 1};

class GemmAlgorithmFileTest : public testing::Test {
 protected:
  GemmAlgorithmFileTest() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::path(testing::TempDir()) / format("lckv_gemm_{}_{}", test->name(), ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    path_ = folder_ / "algorithms";
  }
  ~GemmAlgorithmFileTest() override { fs::remove_all(folder_); }

  std::string text_of(const fs::path& path) const {
    std::stringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
  }
  void write(const fs::path& path, const std::string& text) const { std::ofstream(path) << text; }

  fs::path folder_, path_;
};

TEST_F(GemmAlgorithmFileTest, GivesBackWhatWasAdded) {
  GemmAlgorithmFile file(path_);
  EXPECT_EQ(file.find("a"), std::nullopt);
  file.add("a", kOne);
  file.add("b", kTwo);
  const GemmAlgorithmFile again(path_);
  EXPECT_EQ(again.size(), 2U);
  EXPECT_THAT(again.find("a"), Optional(kOne));
  EXPECT_THAT(again.find("b"), Optional(kTwo));
}

TEST_F(GemmAlgorithmFileTest, RefusesADamagedLineByItsNumber) {
  write(path_, "lckv gemm algorithms 1\na\t1 2 3 4 5 6 7\n");
  EXPECT_THROW(GemmAlgorithmFile{path_}, DataError);
  try {
    const GemmAlgorithmFile file(path_);
  } catch (const DataError& error) {
    EXPECT_THAT(error.what(), HasSubstr("algorithms:2"));
  }
}

TEST_F(GemmAlgorithmFileTest, TheLastToWriteKeepsTheLinesOfOthers) {
  GemmAlgorithmFile first(path_), second(path_);
  first.add("a", kOne);
  second.add("b", kTwo);
  EXPECT_THAT(GemmAlgorithmFile(path_).find("a"), Optional(kOne));
  EXPECT_THAT(second.find("a"), Optional(kOne)) << "known from now on";
  first.add("c", kOne);
  EXPECT_EQ(GemmAlgorithmFile(path_).size(), 3U);
}

TEST_F(GemmAlgorithmFileTest, AFileThatVanishedIsMadeAnewWithEveryLine) {
  GemmAlgorithmFile file(path_);
  file.add("a", kOne);
  fs::remove(path_);
  file.add("b", kTwo);
  EXPECT_EQ(GemmAlgorithmFile(path_).size(), 2U);
}

// Whoever continues from the file must take the algorithm that the run began with.
TEST_F(GemmAlgorithmFileTest, TheFirstToNameAProductDecidesForAll) {
  GemmAlgorithmFile first(path_), second(path_);
  first.add("a", kOne);
  second.add("a", kTwo);
  EXPECT_THAT(second.find("a"), Optional(kOne));
  EXPECT_THAT(GemmAlgorithmFile(path_).find("a"), Optional(kOne));
}

TEST_F(GemmAlgorithmFileTest, WritesThroughATemporaryOfItsOwn) {
  const fs::path others = path_.string() + ".tmp";
  write(others, "half of another job's");
  GemmAlgorithmFile(path_).add("a", kOne);
  EXPECT_EQ(text_of(others), "half of another job's");
  fs::remove(others);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

/// In a child: adds products of its own. Exit 0 when every file that it read was whole.
void add_many(const fs::path& path, int process, int count) {
  try {
    GemmAlgorithmFile file(path);
    for (int i = 0; i < count; ++i) file.add(format("{} of {}", i, process), kOne);
  } catch (const std::exception&) {
    ::_exit(1);
  }
  ::_exit(0);
}

TEST_F(GemmAlgorithmFileTest, ProcessesSideBySideNeverTearIt) {
  constexpr int kProcesses = 4, kProducts = 100;
  std::vector<pid_t> children;
  for (int process = 0; process < kProcesses; ++process) {
    children.push_back(::fork());
    if (children.back() == 0) add_many(path_, process, kProducts);
  }
  for (const pid_t child : children) {
    int status = -1;
    EXPECT_EQ(::waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0) << "a process met a torn file, or lost its own";
  }
  // The last one to write has at least its own.
  EXPECT_GE(GemmAlgorithmFile(path_).size(), static_cast<size_t>(kProducts));
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), {}), 1);
}

}  // namespace
}  // namespace lckv::ops::cuda
