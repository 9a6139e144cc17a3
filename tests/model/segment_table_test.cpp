#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/plan.h"
#include "lckv/test_support/refusal.h"

namespace lckv::model {
namespace {

/// spec/lckv.md section 2: "[0] once; [1..6] iterated; [7] once", and the KV layers.
struct Row {
  const char* layout;
  int layers;
  std::string layer_types;
  std::vector<int> kv_layers;
  std::vector<Segment> segments;
};

std::string sandwich_middle() {
  std::string text = "0";
  for (int i = 1; i <= 20; ++i) text += "_10";
  return text + "_21";
}

const std::vector<Row>& table() {
  static const std::vector<Row> rows = {
      {"llama", 8, "0_1_2_3_4_5_6_7", {0, 1, 2, 3, 4, 5, 6, 7}, {{0, 7, false}}},
      {"LCKV w=2", 8, "0_6_6_6_6_6_6_7", {0, 6, 7}, {{0, 0, false}, {1, 6, true}, {7, 7, false}}},
      {"LCKV w=0", 8, "7_7_7_7_7_7_7_7", {7}, {{0, 7, true}}},
      {"sandwich-middle",
       22,
       sandwich_middle(),
       {0, 10, 21},
       {{0, 0, false}, {1, 10, true}, {11, 21, false}}},
      {"pizza-top", 8, "0_1_2_7_7_7_7_7", {0, 1, 2, 7}, {{0, 2, false}, {3, 7, true}}},
      {"pizza-bottom", 8, "0_1_2_3_3_3_3_3", {0, 1, 2, 3}, {{0, 7, false}}},
      {"lasagna-top",
       8,
       "1_1_3_3_5_5_7_7",
       {1, 3, 5, 7},
       {{0, 1, true}, {2, 3, true}, {4, 5, true}, {6, 7, true}}},
      {"lasagna-middle",
       8,
       "1_1_1_4_4_4_7_7",
       {1, 4, 7},
       {{0, 1, true}, {2, 2, false}, {3, 4, true}, {5, 5, false}, {6, 7, true}}},
      {"CLA-2", 8, "0_0_2_2_4_4_6_6", {0, 2, 4, 6}, {{0, 7, false}}},
      {"YOCO", 8, "0s_1s_2s_3s_4_4_4_4", {0, 1, 2, 3, 4}, {{0, 7, false}}},
      {"MixAttention",
       22,
       "0_1s_1s_3s_3s_3s_0_7s_7s_9s_9s_9s_12_13s_13s_15s_15s_15s_12_19s_19s_19s",
       {0, 1, 3, 7, 9, 12, 13, 15, 19},
       {{0, 21, false}}},
      {"chained", 8, "2_2_4_3_4_5_6_7", {2, 3, 4, 5, 6, 7}, {{0, 4, true}, {5, 7, false}}},
      {"grouped LCKV",
       8,
       "0_3_3_3_6_6_6_7",
       {0, 3, 6, 7},
       {{0, 0, false}, {1, 3, true}, {4, 6, true}, {7, 7, false}}},
  };
  return rows;
}

TEST(Segments, AreThoseOfTheTableInTheSpecification) {
  for (const Row& row : table()) {
    EXPECT_EQ(split_segments(make_layer_specs(row.layer_types, row.layers, 4096, false)),
              row.segments)
        << row.layout;
  }
}

TEST(Segments, DoNotDependOnTheDiagonal) {
  for (const Row& row : table()) {
    EXPECT_EQ(split_segments(make_layer_specs(row.layer_types, row.layers, 4096, true)),
              row.segments)
        << row.layout;
  }
}

TEST(LayerSpecs, OwnKeysAndValuesExactlyWhereTheTableSays) {
  for (const Row& row : table()) {
    std::vector<int> owners;
    const std::vector<LayerSpec> specs = make_layer_specs(row.layer_types, row.layers, 4096, false);
    for (int i = 0; i < row.layers; ++i) {
      if (specs[static_cast<size_t>(i)].has_kv) owners.push_back(i);
    }
    EXPECT_EQ(owners, row.kv_layers) << row.layout;
  }
}

TEST(LayerSpecs, UpwardLayersAreStrictAndForceNodiagMakesAllStrict) {
  const auto specs = make_layer_specs("1_1_0_3", 4, 4096, false);
  const auto forced = make_layer_specs("1_1_0_3", 4, 4096, true);
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(specs[i].upward, i == 0);
    EXPECT_EQ(specs[i].masks_self, i == 0);
    EXPECT_TRUE(forced[i].masks_self);
  }
}

TEST(LayerSpecs, TheSuffixGivesTheReaderAWindow) {
  const auto specs = make_layer_specs("1_2s_0", 3, 512, false);
  EXPECT_EQ(specs[0].window_tokens, 0);
  EXPECT_EQ(specs[1].window_tokens, 512);
  EXPECT_EQ(specs[2].window_tokens, 0);
}

TEST(LayerSpecs, NoStringMeansAPlainLlama) {
  EXPECT_TRUE(is_plain_llama(make_layer_specs("", 5, 4096, false)));
  EXPECT_TRUE(is_plain_llama(make_layer_specs("0_1_2", 3, 4096, false)));
  EXPECT_FALSE(is_plain_llama(make_layer_specs("0_1_2", 3, 4096, true)));
  EXPECT_FALSE(is_plain_llama(make_layer_specs("0_1s_2", 3, 4096, false)));
  EXPECT_FALSE(is_plain_llama(make_layer_specs("0_0_2", 3, 4096, false)));
}

TEST(LayerSpecs, RefuseStringsOutsideTheGrammar) {
  for (const char* text : {"0_1", "0_1_2_3", "0_1_3", "0_1_x", "0__2", "0_1_2_", "0_1_ 2", "0_1_2S",
                           "0_1_s", "0_1_-2", "0_1_2ss", "0_1_99999999999999999999"}) {
    EXPECT_THROW(make_layer_specs(text, 3, 4096, false), ConfigError) << '"' << text << '"';
  }
}

TEST(BuildPlan, RefusesPassesThatMakeNoSense) {
  const auto specs = make_layer_specs("1_1", 2, 4096, false);
  test::expect_refusal<InternalError>([&] { build_plan(specs, 0, 0); }, "m = 0 and b = 0");
  test::expect_refusal<InternalError>([&] { build_plan(specs, -1, 1); }, "m = -1");
}

TEST(BuildPlan, OfAPlainLlamaIsOneStraightRunWithGradient) {
  const Plan plan = build_plan(make_layer_specs("0_1_2_3", 4, 4096, false), 7, 2);
  ASSERT_EQ(plan.cells.size(), 4u);
  for (int c = 0; c < 4; ++c) {
    const Cell expected = {.layer = c,
                           .pass = 0,
                           .hidden_from = c - 1,
                           .kv_from = c,
                           .masks_self = false,
                           .writes_kv = true,
                           .runs_block = true,
                           .runs_attention = true,
                           .keeps_grad = true,
                           .query_from = c,
                           .query_grad_to = c};
    EXPECT_EQ(plan.cells[static_cast<size_t>(c)], expected) << c;
  }
  EXPECT_EQ(plan.output, 3);
}

TEST(BuildPlan, Of22LayersWithTwoWarmUpLayersHasTheCountedCells) {
  std::string text = "0";
  for (int i = 1; i <= 20; ++i) text += "_20";
  const Plan plan = build_plan(make_layer_specs(text + "_21", 22, 4096, false), 7, 2);
  int kv_only = 0, saved = 0, saved_kv_only = 0;
  for (const Cell& cell : plan.cells) {
    kv_only += !cell.runs_block;
    saved += cell.keeps_grad;
    saved_kv_only += cell.keeps_grad && !cell.runs_block;
  }
  EXPECT_EQ(plan.cells.size(), 182u);
  EXPECT_EQ(kv_only, 8);
  EXPECT_EQ(saved, 42);
  EXPECT_EQ(saved_kv_only, 1);
}

}  // namespace
}  // namespace lckv::model
