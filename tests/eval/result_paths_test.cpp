#include "lckv/eval/result_paths.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lckv::eval {
namespace {

TEST(ResultPaths, AreAFileOrAFolderOfTheModel) {
  const std::chrono::system_clock::time_point time(std::chrono::microseconds(1730116687123456));
  const std::string stamp = file_time(time);
  EXPECT_THAT(stamp, testing::MatchesRegex("2024-10-[0-9]+T[0-9]+-[0-9]+-07.123456"));
  const ResultPaths paths = result_paths("out", "a/b<>c", time);
  EXPECT_EQ(paths.results, "out/a__b__c/results_" + stamp + ".json");
  EXPECT_EQ(paths.samples("piqa"), "out/a__b__c/samples_piqa_" + stamp + ".jsonl");
  EXPECT_EQ(result_paths("harness/result.json", "m", time).results, "harness/result.json");
  EXPECT_EQ(result_paths("harness/result.json", "m", time).samples("piqa"), "");
}

}  // namespace
}  // namespace lckv::eval
