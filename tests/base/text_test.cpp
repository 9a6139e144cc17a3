#include "lckv/base/text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"

namespace lckv {
namespace {

TEST(Text, FormatsNumbersForPeople) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1234567), "1 234 567");
  EXPECT_EQ(with_thousands(-1000), "-1 000");
  EXPECT_EQ(human_bytes(512), "512 B");
  EXPECT_EQ(human_bytes(1536), "1.50 KiB");
  EXPECT_EQ(human_count(1.6e12), "1.60 T");
  EXPECT_EQ(human_duration(59), "59 s");
  EXPECT_EQ(human_duration(123), "2 min 03 s");
  EXPECT_EQ(human_duration(3720), "1 h 02 min");
}

TEST(Text, FindsTheNearestWordOrNone) {
  const std::vector<std::string> words = {"hidden_size", "intermediate_size", "steps"};
  EXPECT_EQ(nearest_word("hiden_size", words), "hidden_size");
  EXPECT_EQ(nearest_word("step", words), "steps");
  EXPECT_EQ(nearest_word("completely_else", words), "");
}

TEST(Text, SplitsAtEverySeparator) {
  EXPECT_THAT(split("a__b_", '_'), testing::ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", '_'), testing::ElementsAre(""));
}

TEST(Check, SaysWhatWasViolatedAndIsAlwaysOn) {
  try {
    LCKV_CHECK(1 + 1 == 3, format("two is {}", 2));
    FAIL() << "held";
  } catch (const InternalError& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("text_test.cpp"));
    EXPECT_THAT(error.what(), testing::HasSubstr("two is 2"));
    EXPECT_THAT(error.what(), testing::HasSubstr("1 + 1 == 3"));
    EXPECT_EQ(error.exit_code(), ExitCode::kInternal);
  }
}

}  // namespace
}  // namespace lckv
