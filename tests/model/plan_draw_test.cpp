#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/model/plan.h"

namespace lckv::model {
namespace {

using testing::HasSubstr;

std::string drawn(const std::string& layer_types, int m, int b, const PlanOptions& options = {}) {
  const int layers = static_cast<int>(split(layer_types, '_').size());
  return draw(build_plan(make_layer_specs(layer_types, layers, 1024, false), m, b, options));
}

TEST(DrawPlan, ShowsPassesOverLayers) {
  EXPECT_EQ(drawn("0_6_6_6_6_6_6_7", 7, 2),
            "layer        0|1 2 3 4 5 6|7\n"
            "has K,V      *|          *|*\n"
            "pass 1        |m m m m m k|\n"
            "passes 2-7    |o o o o o k|\n"
            "pass 8        |# # # # # K|\n"
            "pass 9       #|# # # # # #|#\n"
            "\n"
            "  # block with gradient    M its MLP alone (attention is 0)    K its K,V alone\n"
            "  o block without          m likewise, without                 k likewise, without\n"
            "\n"
            "0       once        layer 0 reads itself\n"
            "1-6     7+2 passes  layers 1-5 read layer 6 of the pass before, strict; layer 6 reads "
            "itself\n"
            "7       once        layer 7 reads itself\n"
            "K,V in 3 of 8 layers: 0, 6-7\n");
}

TEST(DrawPlan, ShowsAPlainLlamaInOneRow) {
  const std::string text = drawn("0_1_2", 7, 2);
  EXPECT_THAT(text, HasSubstr("once         # # #\n"));
  EXPECT_THAT(text, HasSubstr("layers 0-2 read themselves\n"));
}

TEST(DrawPlan, ShowsWhichPartOfABlockRuns) {
  const std::string with_gradient = drawn("2_1_2_1", 0, 2);
  EXPECT_THAT(with_gradient, HasSubstr("pass 1       M # K|\n"));
  EXPECT_THAT(with_gradient, HasSubstr("pass 2       # # #|#\n"));
  const std::string without = drawn("2_1_2_1", 2, 1);
  EXPECT_THAT(without, HasSubstr("pass 1       m o k|\n"));
  EXPECT_THAT(without, HasSubstr("pass 2       o o k|\n"));
}

TEST(DrawPlan, NamesWindowsAndSharedSources) {
  const std::string text = drawn("0s_1s_0_0_0", 7, 2);
  EXPECT_THAT(text, HasSubstr("layers 0-1 read themselves, window 1024;"));
  EXPECT_THAT(text, HasSubstr("layers 2-4 read layer 0\n"));
  EXPECT_THAT(drawn("0_0_2_2", 7, 2),
              HasSubstr("layers 0-1 read layer 0; layers 2-3 read layer 2"));
}

TEST(DrawPlan, WithoutTrainingShowsNoGradient) {
  const std::string text = drawn("2_2_2", 2, 1, {.training = false});
  EXPECT_THAT(text, HasSubstr("pass 3       o o o\n"));
  EXPECT_THAT(text, HasSubstr("3 passes"));
  EXPECT_THAT(drawn("2_2_2", 2, 1, {.training = false, .drop_unread = false}),
              HasSubstr("passes 2-3   o o o\n"));
}

std::string condensed(int layers) {
  std::string text = "0";
  for (int i = 1; i + 1 < layers; ++i) text += format("_{}", layers - 2);
  return text + format("_{}", layers - 1);
}
std::string lasagna(int layers) {
  std::string text;
  for (int i = 0; i < layers; ++i) text += format("{}{}", i == 0 ? "" : "_", i | 1);
  return text;
}

TEST(DrawPlan, NeverExceedsAHundredColumns) {
  for (const std::string& layer_types :
       {condensed(8), condensed(22), condensed(32), condensed(60), condensed(120), lasagna(32),
        lasagna(64),
        std::string("0_1s_1s_3s_3s_3s_0_7s_7s_9s_9s_9s_12_13s_13s_15s_15s_15s_12_19s")}) {
    for (const std::string& line : split(drawn(layer_types, 7, 2), '\n')) {
      EXPECT_LE(line.size(), 100u) << line;
      EXPECT_TRUE(line.empty() || line.back() != ' ') << '"' << line << '"';
    }
  }
}

TEST(DrawPlan, WrapsBeyond32Layers) {
  EXPECT_THAT(drawn(condensed(32), 7, 2), testing::Not(HasSubstr("\n\n     ")));
  const std::string text = drawn(condensed(34), 7, 2);
  EXPECT_THAT(text, HasSubstr("layer        2|3\n"));
}

}  // namespace
}  // namespace lckv::model
