#include "model_cases.h"

namespace lckv::model {
namespace {

class MicroBatch : public ModelLaw {};
INSTANTIATE_TEST_SUITE_P(Cpu, MicroBatch, every_dtype(), dtype_name);

/// Gradient and loss of a batch taken in parts of `part` sequences.
Outcome in_parts(const config::ModelConfig& config, DType dtype, const test::RandomBatch& batch,
                 int64_t B, int64_t T, int64_t part) {
  test::TestNetwork network(config, model_options(config, dtype, part, T));
  Outcome sum;
  for (int64_t first = 0; first < B; first += part) {
    sum.loss += network.score_with_gradient(
        batch.sequences(first, first + part, T), 0.125,
        first == 0 ? ops::GradMode::kOverwrite : ops::GradMode::kAccumulate);
  }
  sum.gradients = network.gradient_values();
  return sum;
}

TEST_P(MicroBatch, TwoHalvesAreTheWholeWithRaggedTargets) {
  constexpr int64_t B = 4, T = 5;
  for (const std::string& layer_types : layouts()) {
    config::ModelConfig config = test::small_config(layer_types, 1, 2);
    config.tie_word_embeddings = layer_types.size() % 2 == 0;
    test::RandomBatch batch(config, B, T, 1);
    // The first half scores far fewer targets than the second.
    for (size_t n = 2; n < 2 * T; ++n) batch.targets[n] = ops::kIgnoreTarget;
    test::TestNetwork whole(config, model_options(config, dtype(), B, T));
    const double loss = whole.score_with_gradient(batch.batch(), 0.125);
    const Outcome halves = in_parts(config, dtype(), batch, B, T, 2);
    const double bound = test::rounding_bound(whole.model(), dtype());
    EXPECT_NEAR(halves.loss, loss, bound * loss) << layer_types;
    EXPECT_LT(test::relative_distance(halves.gradients, whole.gradient_values()), bound)
        << layer_types;
  }
}

TEST_P(MicroBatch, LongerThanAChunkOfTheHeadIsItsSequencesTogether) {
  constexpr int64_t B = 3, T = 400;  // 1200 rows; the head takes 1024 at once
  const config::ModelConfig config = test::small_config("0_1", 1, 1);
  const test::RandomBatch batch(config, B, T, 1);
  test::TestNetwork whole(config, model_options(config, dtype(), B, T));
  const double loss = whole.score_with_gradient(batch.batch(), 0.125);
  const Outcome one_by_one = in_parts(config, dtype(), batch, B, T, 1);
  const double bound = test::rounding_bound(whole.model(), dtype());
  EXPECT_NEAR(one_by_one.loss, loss, bound * loss);
  EXPECT_LT(test::relative_distance(one_by_one.gradients, whole.gradient_values()), bound);
  EXPECT_EQ(whole.score(batch.batch()), loss);
}

TEST_P(MicroBatch, MissingSequencesAreNotScored) {
  constexpr int64_t T = 5;
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 1, 2);
  const test::RandomBatch batch(config, 3, T, 1);
  test::TestNetwork three(config, model_options(config, dtype(), 3, T));
  test::TestNetwork four(config, model_options(config, dtype(), 4, T));
  const Outcome expected = outcome(three, batch.batch());
  const Outcome padded = outcome(four, batch.batch());
  const double bound = test::rounding_bound(four.model(), dtype());
  EXPECT_NEAR(padded.loss, expected.loss, bound * expected.loss);
  EXPECT_LT(test::relative_distance(padded.gradients, expected.gradients), bound);
}

TEST_P(MicroBatch, WithoutTargetsHasNoLossAndNoGradient) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 1, 2);
  test::RandomBatch batch(config, 1, 5, 1);
  batch.targets.assign(5, ops::kIgnoreTarget);
  test::TestNetwork network(config, model_options(config, dtype(), 1, 5));
  EXPECT_EQ(network.score_with_gradient(batch.batch()), 0);
  for (const double value : network.gradient_values()) ASSERT_EQ(value, 0);
}

TEST_P(MicroBatch, OfTheWrongSizeIsRefused) {
  const config::ModelConfig config = test::small_config("0_1");
  test::TestNetwork network(config, model_options(config, dtype(), 1, 5));
  const std::vector<int32_t> tokens(6, 0);
  EXPECT_THROW(network.score({tokens, {}, {}}), InternalError);
  EXPECT_THROW(network.score({std::span(tokens).first(4), {}, {}}), InternalError);
  EXPECT_THROW(network.score({std::span(tokens).first(5), {}, std::span(tokens).first(5)}),
               InternalError);
}

}  // namespace
}  // namespace lckv::model
