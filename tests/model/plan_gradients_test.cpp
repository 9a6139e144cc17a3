#include "lckv/model/plan_gradients.h"

#include <gtest/gtest.h>

#include "lckv/test_support/random_layout.h"

namespace lckv::model {
namespace {

constexpr int kGroups = static_cast<int>(WeightGroup::kCount);

/// Which backward visits touch a layer's weights: read off the steps of a cell.
std::vector<bool> touched(const Plan& plan, int c) {
  const Cell& cell = plan.cells[static_cast<size_t>(c)];
  std::vector<bool> groups(kGroups, false);
  if (!cell.keeps_grad) return groups;
  const auto set = [&](WeightGroup group) { groups[static_cast<size_t>(group)] = true; };
  if (cell.runs_block) set(WeightGroup::kMlp);
  if (cell.runs_attention) set(WeightGroup::kOutput);
  if (cell.runs_attention && cell.query_grad_to == c) {
    set(WeightGroup::kQuery);
    set(WeightGroup::kInputNorm);
  }
  if (cell.writes_kv) {
    set(WeightGroup::kKeyValue);
    set(WeightGroup::kInputNorm);
  }
  return groups;
}

/// Walks the backward sweep with flags; "" when every first write overwrites and nothing is written
/// after its last.
std::string complaint(const Plan& plan, const GradientSchedule& schedule) {
  std::vector<std::vector<bool>> written(plan.layers.size(), std::vector<bool>(kGroups, false));
  std::vector<std::vector<bool>> final = written;
  for (int c = static_cast<int>(plan.cells.size()) - 1; c >= 0; --c) {
    const auto layer = static_cast<size_t>(plan.cells[static_cast<size_t>(c)].layer);
    const std::vector<bool> groups = touched(plan, c);
    for (size_t g = 0; g < kGroups; ++g) {
      if (!groups[g]) continue;
      if ((schedule[layer][g].first == c) == written[layer][g])
        return "overwrites at the wrong visit";
      if (final[layer][g]) return "written after it was final";
      written[layer][g] = true;
      final[layer][g] = schedule[layer][g].last == c;
    }
  }
  for (size_t layer = 0; layer < written.size(); ++layer) {
    for (size_t g = 0; g < kGroups; ++g) {
      if (final[layer][g] != written[layer][g]) return "never final";
      if ((schedule[layer][g].first >= 0) != written[layer][g]) return "said to be written, is not";
    }
  }
  return "";
}

TEST(GradientSchedule, OverwritesFirstAndIsFinalAfterTheLastWrite) {
  for (uint64_t number = 0; number < 10000; ++number) {
    const test::RandomLayout layout = test::random_layout(20240526, number, 9, 4, 3);
    const Plan plan = build_plan(
        make_layer_specs(layout.layer_types, layout.layers, 16, layout.force_nodiag), layout.m,
        layout.b, {.drop_unread = number % 3 != 0, .merge_query_gradients = number % 2 != 0});
    ASSERT_EQ(complaint(plan, gradient_schedule(plan)), "") << layout.layer_types;
  }
}

TEST(GradientSchedule, WithOneEntryMovedIsNoticed) {
  const Plan plan = build_plan(make_layer_specs("0_3_3_3_4", 5, 16, false), 1, 2);
  const GradientSchedule schedule = gradient_schedule(plan);
  for (size_t layer = 0; layer < schedule.size(); ++layer) {
    for (size_t g = 0; g < kGroups; ++g) {
      if (schedule[layer][g].first < 0) continue;
      GradientSchedule moved = schedule;
      --moved[layer][g].first;
      EXPECT_NE(complaint(plan, moved), "");
      moved = schedule;
      ++moved[layer][g].last;
      EXPECT_NE(complaint(plan, moved), "");
    }
  }
}

TEST(GradientSchedule, ALayerOfAGroupIsFinalAfterItsOldestGradientPass) {
  const Plan plan = build_plan(make_layer_specs("0_3_3_3_4", 5, 16, false), 1, 2);
  const GradientSchedule schedule = gradient_schedule(plan);
  const GradientWrites mlp = schedule[1][static_cast<size_t>(WeightGroup::kMlp)];
  EXPECT_EQ(plan.cells[static_cast<size_t>(mlp.first)].pass, 2);
  EXPECT_EQ(plan.cells[static_cast<size_t>(mlp.last)].pass, 1);
  // Merged dQ are turned once.
  const GradientWrites query = schedule[1][static_cast<size_t>(WeightGroup::kQuery)];
  EXPECT_EQ(query.first, query.last);
}

}  // namespace
}  // namespace lckv::model
