#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/model/plan.h"
#include "lckv/test_support/random_layout.h"

namespace lckv::model {
namespace {

constexpr uint64_t kSeed = 20261126;
constexpr uint64_t kLayouts = 2000;

PlanOptions inference(bool fills_cache, bool fresh = true) {
  PlanOptions options;
  options.training = false;
  options.fills_cache = fills_cache;
  options.selects_rows = true;
  options.skip_zero_attention = fresh;
  return options;
}

struct RandomPlan {
  RandomPlan(uint64_t number, const PlanOptions& options)
      : layout(test::random_layout(kSeed, number, 9, 4, 3)),
        plan(
            build_plan(make_layer_specs(layout.layer_types, layout.layers, 16, layout.force_nodiag),
                       layout.m, layout.b, options)) {
    for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
      if (plan.cells[static_cast<size_t>(c)].writes_kv) last_writer = c;
    }
  }
  std::string text() const { return layout.layer_types; }

  test::RandomLayout layout;
  Plan plan;
  int last_writer = -1;
};

TEST(PlanForACache, WritesTheKvOfEveryLayerThatIsReadInItsLastPass) {
  for (uint64_t number = 0; number < kLayouts; ++number) {
    const RandomPlan random(number, inference(true, number % 2 == 0));
    const Plan& plan = random.plan;
    for (size_t layer = 0; layer < plan.layers.size(); ++layer) {
      int last_pass = -1;
      bool last_writes = false;
      for (const Cell& cell : plan.cells) {
        if (cell.layer != static_cast<int>(layer)) continue;
        last_pass = std::max(last_pass, cell.pass);
        if (cell.pass == last_pass) last_writes = cell.writes_kv;
      }
      bool iterated = false;
      for (const Segment& segment : plan.segments) {
        const bool inside =
            static_cast<int>(layer) >= segment.first && static_cast<int>(layer) <= segment.last;
        iterated = iterated || (inside && segment.iterated);
      }
      EXPECT_EQ(last_writes, plan.layers[layer].has_kv) << random.text() << " layer " << layer;
      if (last_writes) {
        EXPECT_EQ(last_pass, iterated ? random.layout.m + random.layout.b - 1 : 0) << random.text();
      }
    }
  }
}

TEST(PlanForACache, SelectsRowsExactlyBehindTheLastKv) {
  for (uint64_t number = 0; number < kLayouts; ++number) {
    for (const bool fills : {false, true}) {
      const RandomPlan random(number, inference(fills));
      for (int c = 0; c < static_cast<int>(random.plan.cells.size()); ++c) {
        const Cell& cell = random.plan.cells[static_cast<size_t>(c)];
        const bool behind = c > random.last_writer || (c == random.last_writer && cell.runs_block);
        EXPECT_EQ(cell.selects_rows, behind) << random.text() << " cell " << c;
      }
    }
  }
}

TEST(PlanForACache, DoesNotSelectRowsInTraining) {
  for (uint64_t number = 0; number < kLayouts; ++number) {
    const test::RandomLayout layout = test::random_layout(kSeed, number, 9, 4, 3);
    const auto specs = make_layer_specs(layout.layer_types, layout.layers, 16, layout.force_nodiag);
    for (const Cell& cell : build_plan(specs, layout.m, layout.b).cells) {
      EXPECT_FALSE(cell.selects_rows) << layout.layer_types;
    }
  }
}

TEST(PlanForACache, IsRefusedWhenAllRowsAreReadOfSelectedOnes) {
  int refused = 0;
  for (uint64_t number = 0; number < 200; ++number) {
    RandomPlan random(number, inference(true));
    if (random.last_writer <= 0) continue;
    // The input of the last writer becomes one of selected rows.
    const int input = random.plan.cells[static_cast<size_t>(random.last_writer)].hidden_from;
    if (input == kEmbedding) continue;
    random.plan.cells[static_cast<size_t>(input)].selects_rows = true;
    EXPECT_THROW(verify(random.plan), InternalError) << random.text();
    ++refused;
  }
  EXPECT_GT(refused, 50);
}

}  // namespace
}  // namespace lckv::model
