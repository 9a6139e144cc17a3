#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "program.h"

// `lckv report`: what it writes and how it refuses. What is on the page: tests/report.

namespace lckv::test {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;

class ReportCommand : public testing::Test {
 protected:
  ReportCommand()
      : folder_(fresh_folder(std::string("report_") +
                             testing::UnitTest::GetInstance()->current_test_info()->name())),
        run_(folder_ / "run") {
    fs::create_directories(run_);
  }
  ~ReportCommand() override { fs::remove_all(folder_); }

  Outcome report(const std::string& more = "") const {
    return run_lckv("report " + run_.string() + " -o " + page() + " " + more);
  }
  std::string page() const { return (folder_ / "page.html").string(); }
  std::string page_text() const {
    std::ifstream file(page());
    return {std::istreambuf_iterator<char>(file), {}};
  }
  void write_metrics(const std::string& text) const { write_file(run_ / "metrics.jsonl", text); }

  fs::path folder_, run_;
};

TEST_F(ReportCommand, WritesOnePageAndReplacesTheOneBefore) {
  write_metrics("{\"step\":1,\"loss\":2,\"tokens\":64}\n{\"step\":2,\"loss\":1,\"tokens\":128}\n");
  write_file(page(), "old");
  const Outcome outcome = report("--title 'a < b' --across tokens");
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_THAT(outcome.output, HasSubstr(page() + ": "));
  EXPECT_THAT(page_text(), AllOf(HasSubstr("<h1>a &lt; b</h1>"), HasSubstr("tokens trained on")));
  EXPECT_THAT(files_in(folder_), testing::ElementsAre("page.html", "run"));
}

TEST_F(ReportCommand, ABrokenLineIsNamedAndNothingIsWritten) {
  write_metrics("{\"step\":1,\"loss\":2}\n{\"step\":2,\"loss\"\n{\"step\":3,\"loss\":1}\n");
  const Outcome outcome = report();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.output, HasSubstr("run/metrics.jsonl:2: is not valid JSON"));
  EXPECT_FALSE(fs::exists(page()));
}

TEST_F(ReportCommand, ATornLastLineIsNoMistake) {
  write_metrics("{\"step\":1,\"loss\":2}\n{\"step\":2,\"lo");
  EXPECT_EQ(report().exit_code, 0);
  EXPECT_THAT(page_text(), HasSubstr("is not whole"));
}

TEST_F(ReportCommand, AMissingFolderAndOneOfSomethingElseAreNamed) {
  fs::remove_all(run_);
  Outcome outcome = report();
  EXPECT_EQ(outcome.exit_code, 5);
  EXPECT_THAT(outcome.output, HasSubstr("there is no such folder"));
  fs::create_directories(run_);
  outcome = report();
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_THAT(outcome.output, HasSubstr("it is not the folder of a run"));
}

TEST_F(ReportCommand, ARunWithoutMetricsHasAPage) {
  write_file(run_ / "status.json", "{\"state\":\"starting\"}");
  EXPECT_EQ(report().exit_code, 0);
  EXPECT_THAT(page_text(), HasSubstr("there is no metrics.jsonl"));
}

}  // namespace
}  // namespace lckv::test
