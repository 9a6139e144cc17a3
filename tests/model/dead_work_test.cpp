#include "model_cases.h"

namespace lckv::model {
namespace {

class DeadWork : public ModelLaw {
 protected:
  Outcome run(const config::ModelConfig& config, const PlanOptions& plan) const {
    ModelOptions options = model_options(config, dtype(), 2, 5);
    options.plan = plan;
    return outcome(config, options, test::RandomBatch(config, 2, 5, 1));
  }
};
INSTANTIATE_TEST_SUITE_P(Cpu, DeadWork, every_dtype(), dtype_name);

/// The switches that change no bit.
PlanOptions exact() { return {.merge_query_gradients = false}; }

TEST_P(DeadWork, DroppedLeavesLossAndGradientsBitEqual) {
  PlanOptions full = exact();
  full.drop_unread = full.skip_zero_attention = full.reuse_queries = false;
  const std::vector<PlanOptions> others = {
      [] {
        PlanOptions p = exact();
        p.drop_unread = false;
        return p;
      }(),
      [] {
        PlanOptions p = exact();
        p.skip_zero_attention = false;
        return p;
      }(),
      [] {
        PlanOptions p = exact();
        p.reuse_queries = false;
        return p;
      }(),
  };
  for (const std::string& layer_types : layouts()) {
    for (const auto& [m, b] : {std::pair(0, 1), {1, 1}, {0, 3}, {2, 2}}) {
      config::ModelConfig config = test::small_config(layer_types, m, b);
      config.force_nodiag = m == 1;
      const Outcome undropped = run(config, full);
      const std::string at = format("{} m={} b={}", layer_types, m, b);
      ASSERT_TRUE(std::isfinite(undropped.loss)) << at;
      EXPECT_EQ(run(config, exact()), undropped) << at;
      for (size_t i = 0; i < others.size(); ++i) {
        EXPECT_EQ(run(config, others[i]), undropped) << at << " switch " << i;
      }
    }
  }
}

TEST_P(DeadWork, MergedQueryGradientsDifferByRoundingAlone) {
  for (const std::string& layer_types : layouts()) {
    const config::ModelConfig config = test::small_config(layer_types, 2, 3);
    const Outcome merged = run(config, {});
    const Outcome single = run(config, exact());
    EXPECT_EQ(merged.loss, single.loss);
    test::TestNetwork network(config, model_options(config, dtype(), 2, 5));
    EXPECT_LT(test::relative_distance(merged.gradients, single.gradients),
              test::rounding_bound(network.model(), dtype()))
        << layer_types;
  }
}

TEST_P(DeadWork, OfAnotherPlanIsNoticed) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 2, 2);
  const config::ModelConfig fewer = test::small_config("0_3_3_3_4", 2, 1);
  EXPECT_NE(run(config, exact()).gradients, run(fewer, exact()).gradients);
}

}  // namespace
}  // namespace lckv::model
