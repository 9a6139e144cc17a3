#include "lckv/model/plan.h"

#include <functional>

#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/test_support/random_layout.h"
#include "lckv/test_support/refusal.h"
#include "plan_oracle.h"

namespace lckv::model {
namespace {

constexpr uint64_t kSeed = 20240523;
constexpr uint64_t kLayouts = 10000;

std::vector<LayerSpec> specs_of(const test::RandomLayout& layout) {
  return make_layer_specs(layout.layer_types, layout.layers, 16, layout.force_nodiag);
}

/// Combination `bits` of the five switches.
PlanOptions switches(unsigned bits) {
  PlanOptions options;
  options.training = !(bits & 1);
  options.drop_unread = !(bits & 2);
  options.skip_zero_attention = !(bits & 4);
  options.reuse_queries = !(bits & 8);
  options.merge_query_gradients = !(bits & 16);
  return options;
}

TEST(Plan, OfAnyStringIsWhatTheProseSays) {
  for (uint64_t number = 0; number < kLayouts; ++number) {
    const test::RandomLayout layout = test::random_layout(kSeed, number, 9, 4, 3);
    const auto specs = specs_of(layout);
    const Plan plan = build_plan(specs, layout.m, layout.b);
    ASSERT_EQ(PlanOracle(specs, layout.m, layout.b, {}).complaint(plan), "")
        << layout.layer_types << " m=" << layout.m << " b=" << layout.b << " #" << number;
  }
}

TEST(Plan, IsWhatTheProseSaysWithEveryCombinationOfSwitches) {
  for (uint64_t number = 0; number < kLayouts; number += 10) {
    const test::RandomLayout layout = test::random_layout(kSeed, number, 9, 4, 3);
    const auto specs = specs_of(layout);
    for (unsigned bits = 0; bits < 32; ++bits) {
      const Plan plan = build_plan(specs, layout.m, layout.b, switches(bits));
      ASSERT_EQ(PlanOracle(specs, layout.m, layout.b, switches(bits)).complaint(plan), "")
          << layout.layer_types << " m=" << layout.m << " b=" << layout.b << " bits=" << bits;
    }
  }
}

TEST(Plan, IsVerifiedWithEveryCombinationOfSwitches) {
  for (uint64_t number = 0; number < kLayouts; ++number) {
    const test::RandomLayout layout = test::random_layout(kSeed, number, 9, 4, 3);
    const auto specs = specs_of(layout);
    for (unsigned bits = 0; bits < 32; ++bits) {
      ASSERT_NO_THROW(verify(build_plan(specs, layout.m, layout.b, switches(bits))))
          << layout.layer_types << " m=" << layout.m << " b=" << layout.b << " bits=" << bits;
    }
  }
}

/// One changed field of one cell.
using Fault = std::function<void(Cell&)>;

const std::vector<std::pair<const char*, Fault>>& faults() {
  static const std::vector<std::pair<const char*, Fault>> list = {
      {"layer", [](Cell& c) { ++c.layer; }},
      {"pass", [](Cell& c) { ++c.pass; }},
      {"hidden_from", [](Cell& c) { --c.hidden_from; }},
      {"kv_from", [](Cell& c) { --c.kv_from; }},
      {"masks_self", [](Cell& c) { c.masks_self = !c.masks_self; }},
      {"writes_kv", [](Cell& c) { c.writes_kv = !c.writes_kv; }},
      {"runs_block", [](Cell& c) { c.runs_block = !c.runs_block; }},
      {"runs_attention", [](Cell& c) { c.runs_attention = !c.runs_attention; }},
      {"keeps_grad", [](Cell& c) { c.keeps_grad = !c.keeps_grad; }},
      {"query_from", [](Cell& c) { --c.query_from; }},
      {"query_grad_to", [](Cell& c) { --c.query_grad_to; }},
  };
  return list;
}

TEST(PlanOracle, NoticesEveryChangedFieldOfEveryCell) {
  const auto specs = make_layer_specs("0_3_3_3_6_6s_6_7", 8, 16, false);
  const Plan plan = build_plan(specs, 2, 2);
  const PlanOracle oracle(specs, 2, 2, {});
  ASSERT_EQ(oracle.complaint(plan), "");
  for (size_t c = 0; c < plan.cells.size(); ++c) {
    for (const auto& [name, fault] : faults()) {
      Plan broken = plan;
      fault(broken.cells[c]);
      EXPECT_NE(oracle.complaint(broken), "") << name << " of cell " << c;
    }
  }
}

TEST(PlanOracle, NoticesALostCell) {
  const auto specs = make_layer_specs("0_3_3_3_4", 5, 16, false);
  Plan plan = build_plan(specs, 1, 2);
  const PlanOracle oracle(specs, 1, 2, {});
  plan.cells.pop_back();
  EXPECT_NE(oracle.complaint(plan), "");
}

/// The plan of `0_3_3_3_4`, m = 1, b = 2, after one change, is refused with this rule.
void expect_rule(const std::function<void(Plan&)>& change, const std::string& rule) {
  Plan plan = build_plan(make_layer_specs("0_3_3_3_4", 5, 16, false), 1, 2);
  change(plan);
  test::expect_refusal<InternalError>([&] { verify(plan); }, rule);
}

/// Index of the visit.
size_t visit(const Plan& plan, int layer, int pass) {
  for (size_t c = 0; c < plan.cells.size(); ++c) {
    if (plan.cells[c].layer == layer && plan.cells[c].pass == pass) return c;
  }
  throw InternalError("no such visit");
}
Cell& cell_at(Plan& plan, int layer, int pass) { return plan.cells[visit(plan, layer, pass)]; }

TEST(VerifyPlan, RefusesAReaderBeforeItsWriter) {
  expect_rule([](Plan& p) { cell_at(p, 1, 1).kv_from = static_cast<int>(visit(p, 3, 1)); },
              "K,V are written before they are read");
  expect_rule([](Plan& p) { cell_at(p, 2, 0).hidden_from = static_cast<int>(visit(p, 2, 0)); },
              "input is computed before");
}

TEST(VerifyPlan, RefusesReadingWhatIsNotWritten) {
  expect_rule([](Plan& p) { cell_at(p, 3, 0).writes_kv = false; }, "a cell does something");
  expect_rule([](Plan& p) { cell_at(p, 0, 0).writes_kv = false; },
              "K,V come from a cell that writes them");
  expect_rule(
      [](Plan& p) {
        Cell& cell = cell_at(p, 2, 1);
        cell.runs_block = cell.runs_attention = false;
        cell.writes_kv = true;
      },
      "only layers that are read write K,V");
}

TEST(VerifyPlan, RefusesTheWrongLayerBelowOrBeside) {
  expect_rule([](Plan& p) { cell_at(p, 2, 1).hidden_from = static_cast<int>(visit(p, 0, 0)); },
              "input is the layer below");
  expect_rule([](Plan& p) { cell_at(p, 2, 1).hidden_from = kEmbedding; },
              "only layer 0 reads the embedding");
  expect_rule([](Plan& p) { cell_at(p, 2, 1).kv_from = static_cast<int>(visit(p, 0, 0)); },
              "K,V come from the layer that layer_types names");
}

TEST(VerifyPlan, RefusesAGradientThatEndsHalfWay) {
  expect_rule([](Plan& p) { cell_at(p, 1, 2).keeps_grad = false; },
              "a gradient cell's input is a gradient cell");
}

TEST(VerifyPlan, RefusesSharedQueriesOfAnotherInput) {
  expect_rule([](Plan& p) { cell_at(p, 2, 2).query_from = static_cast<int>(visit(p, 2, 1)); },
              "queries are shared with an earlier visit");
  expect_rule([](Plan& p) { cell_at(p, 2, 2).query_grad_to = static_cast<int>(visit(p, 2, 1)); },
              "dQ are merged in an earlier gradient cell");
}

TEST(VerifyPlan, RefusesAnOutputThatIsNotTheLastBlock) {
  expect_rule([](Plan& p) { p.output = 0; }, "the output is the block of the last layer");
  expect_rule([](Plan& p) { p.output = static_cast<int>(p.cells.size()); }, "the output is a cell");
}

}  // namespace
}  // namespace lckv::model
