#include "lckv/kernels/cpu_threads.h"
#include "model_cases.h"

namespace lckv::model {
namespace {

class Repeat : public ModelLaw {
 protected:
  void TearDown() override { ops::set_cpu_threads(threads_); }

  Outcome run(const std::string& layer_types, config::Recompute recompute) const {
    const config::ModelConfig config = test::small_config(layer_types, 2, 2);
    ModelOptions options = model_options(config, dtype(), 2, 5);
    options.recompute = recompute;
    return outcome(config, options, test::RandomBatch(config, 2, 5, 1));
  }

 private:
  int threads_ = ops::cpu_threads();
};
INSTANTIATE_TEST_SUITE_P(Cpu, Repeat, every_dtype(), dtype_name);

TEST_P(Repeat, RecomputedIsStoredBitForBit) {
  for (const std::string& layer_types : layouts()) {
    const Outcome stored = run(layer_types, config::Recompute::kNone);
    EXPECT_EQ(run(layer_types, config::Recompute::kCheap), stored) << layer_types;
    EXPECT_EQ(run(layer_types, config::Recompute::kBlock), stored) << layer_types;
  }
}

TEST_P(Repeat, TheSameRunTwiceIsBitEqual) {
  for (const std::string& layer_types : layouts()) {
    const Outcome once = run(layer_types, config::Recompute::kNone);
    EXPECT_EQ(run(layer_types, config::Recompute::kNone), once) << layer_types;
  }
}

TEST_P(Repeat, ANetworkRemembersNothingOfTheBatchBefore) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 2, 2);
  test::TestNetwork network(config, model_options(config, dtype(), 2, 5));
  const test::RandomBatch batch(config, 2, 5, 1);
  const Outcome fresh = outcome(network, batch.batch());
  outcome(network, test::RandomBatch(config, 2, 5, 2).batch());
  EXPECT_EQ(outcome(network, batch.batch()), fresh);
}

TEST_P(Repeat, ThreadCountsAgreeWithinRounding) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 2, 2);
  test::TestNetwork network(config, model_options(config, dtype(), 2, 24));
  const test::RandomBatch batch(config, 2, 24, 1);
  ops::set_cpu_threads(1);
  const Outcome one = outcome(network, batch.batch());
  ops::set_cpu_threads(2);
  const Outcome two = outcome(network, batch.batch());
  const double bound = test::rounding_bound(network.model(), dtype());
  EXPECT_NEAR(two.loss, one.loss, bound * one.loss);
  EXPECT_LT(test::relative_distance(two.gradients, one.gradients), bound);
  EXPECT_EQ(outcome(network, batch.batch()), two);
}

}  // namespace
}  // namespace lckv::model
