#include "lckv/report/config_texts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"

namespace lckv::report {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(ConfigTexts, HaveEveryKeyInTheOrderOfTheFile) {
  EXPECT_THAT(config_texts("output: \"x\"\nb:\n  c: 1\n  d: [1, \"2\"]\n  e: {f: 3}\n  g: null\n",
                           "x.yaml"),
              ElementsAre(Pair("output", "\"x\""), Pair("b.c", "1"), Pair("b.d", "[1, \"2\"]"),
                          Pair("b.e", "{f: 3}"), Pair("b.g", "null")));
}

TEST(ConfigTexts, RefuseWhatIsNoMap) {
  EXPECT_THROW(config_texts("- 1\n", "x.yaml"), DataError);
  EXPECT_THROW(config_texts("a: [1\n", "x.yaml"), DataError);
}

TEST(ConfigDifferences, AreTheKeysThatDiffer) {
  const ConfigTexts a = {{"x.same", "1"}, {"x.other", "2"}},
                    b = {{"x.same", "1"}, {"x.other", "3"}};
  const auto differences = config_differences({a, b});
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].key, "x.other");
  EXPECT_THAT(differences[0].values, ElementsAre("2", "3"));
  EXPECT_THAT(config_differences({a, a}), IsEmpty());
  EXPECT_THAT(config_differences({a}), IsEmpty());
}

TEST(ConfigDifferences, TellAKeyThatOnlySomeRunsHave) {
  const ConfigTexts a = {{"x", "1"}}, b = {{"x", "1"}, {"new", "2"}};
  const auto differences = config_differences({a, b, a});
  ASSERT_EQ(differences.size(), 1u);
  EXPECT_EQ(differences[0].key, "new");
  EXPECT_THAT(differences[0].values, ElementsAre(kNoKey, "2", kNoKey));
}

TEST(ConfigDifferences, SeeTheThirdRunAlone) {
  const ConfigTexts a = {{"x", "1"}}, c = {{"x", "2"}};
  EXPECT_EQ(config_differences({a, a, c}).size(), 1u);
}

}  // namespace
}  // namespace lckv::report
