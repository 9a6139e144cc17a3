#include <cstring>

#include "model_cases.h"

namespace lckv::model {
namespace {

class Visibility : public ModelLaw {};
INSTANTIATE_TEST_SUITE_P(Cpu, Visibility, every_dtype(), dtype_name);

/// Row t of [N, V] logits.
std::vector<double> row(const std::vector<double>& logits, int64_t t, int64_t V) {
  return {logits.begin() + t * V, logits.begin() + (t + 1) * V};
}

TEST_P(Visibility, ALaterTokenLeavesEarlierLogitsBitEqual) {
  constexpr int64_t T = 6;
  for (const std::string& layer_types : layouts()) {
    for (const bool nodiag : {false, true}) {
      config::ModelConfig config = test::small_config(layer_types, 2, 2);
      config.force_nodiag = nodiag;
      test::TestNetwork network(config, model_options(config, dtype(), 1, T));
      test::RandomBatch batch(config, 1, T, 1);
      const std::vector<double> before = network.logits(batch.batch());
      for (int64_t changed = 0; changed < T; ++changed) {
        const int32_t token = batch.tokens[static_cast<size_t>(changed)];
        batch.tokens[static_cast<size_t>(changed)] = (token + 1) % 11;
        const std::vector<double> after = network.logits(batch.batch());
        for (int64_t t = 0; t < T; ++t) {
          const bool same = row(after, t, 11) == row(before, t, 11);
          EXPECT_TRUE(t >= changed || same) << layer_types << " row " << t << " of " << changed;
          EXPECT_FALSE(t == changed && same) << layer_types << " row " << t;
        }
        batch.tokens[static_cast<size_t>(changed)] = token;
      }
    }
  }
}

TEST_P(Visibility, SequencesDoNotSeeEachOther) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 2, 2);
  test::TestNetwork network(config, model_options(config, dtype(), 2, 5));
  test::RandomBatch batch(config, 2, 5, 1);
  const std::vector<double> before = network.logits(batch.batch());
  batch.tokens[0] = (batch.tokens[0] + 1) % 11;
  const std::vector<double> after = network.logits(batch.batch());
  for (int64_t n = 5; n < 10; ++n) EXPECT_EQ(row(after, n, 11), row(before, n, 11)) << n;
  EXPECT_NE(row(after, 4, 11), row(before, 4, 11));
}

/// The named parameters of every layer have gradients that are exactly 0.
void expect_zero_gradients(const test::TestNetwork& network, std::initializer_list<Role> roles) {
  for (const Parameter& parameter : network.gradients().table().parameters) {
    if (std::find(roles.begin(), roles.end(), parameter.role) == roles.end()) continue;
    for (const double value : test::values_of(network.gradients().view(parameter))) {
      ASSERT_EQ(value, 0) << parameter.name;
    }
  }
}

void expect_finite(const std::vector<double>& values) {
  for (const double value : values) ASSERT_TRUE(std::isfinite(value)) << value;
}

TEST_P(Visibility, ASingleTokenSeesNothingInStrictLayers) {
  for (const std::string& layer_types : layouts()) {
    for (const auto& [m, b] : {std::pair(0, 1), {2, 2}}) {
      config::ModelConfig config = test::small_config(layer_types, m, b);
      config.force_nodiag = true;
      for (const bool skip : {true, false}) {
        ModelOptions options = model_options(config, dtype(), 1, 1);
        options.plan.skip_zero_attention = skip;
        test::TestNetwork network(config, options);
        const test::RandomBatch batch(config, 1, 1, 1);
        ASSERT_TRUE(std::isfinite(network.score_with_gradient(batch.batch())));
        expect_zero_gradients(network, {Role::kQuery, Role::kKey, Role::kValue, Role::kOutput});
        expect_finite(network.gradient_values());
        expect_finite(network.logits(batch.batch()));
      }
    }
  }
}

TEST_P(Visibility, TheFirstRowOfStrictLayersIsTheResidualAlone) {
  config::ModelConfig config = test::small_config("0_3_3_3_4", 1, 2);
  config.force_nodiag = true;
  test::TestNetwork network(config, model_options(config, dtype(), 1, 4));
  const test::RandomBatch batch(config, 1, 4, 1);
  const std::vector<double> before = network.logits(batch.batch());
  network.score_with_gradient(batch.batch());
  expect_finite(network.gradient_values());
  // Attention outputs are projected by other weights: only rows that see a key can notice.
  for (int i = 0; i < 5; ++i) {
    const View output = network.weights().layer(i).output;
    const Buffer other = test::random_tensor(dtype(), output.shape(), 77);
    std::memcpy(output.raw(), other.raw(), static_cast<size_t>(output.bytes()));
  }
  const std::vector<double> after = network.logits(batch.batch());
  EXPECT_EQ(row(after, 0, 11), row(before, 0, 11));
  for (int64_t t = 1; t < 4; ++t) EXPECT_NE(row(after, t, 11), row(before, t, 11));
}

TEST_P(Visibility, WithNothingToReadUpwardOnlyTheTopLayerAttends) {
  // m = 0, b = 1: one pass, in which upward layers see no key.
  const config::ModelConfig config = test::small_config("2_2_2", 0, 1);
  test::TestNetwork network(config, model_options(config, dtype(), 1, 4));
  network.score_with_gradient(test::RandomBatch(config, 1, 4, 1).batch());
  expect_finite(network.gradient_values());
  for (int i = 0; i < 3; ++i) {
    double size = 0;
    for (const double value : test::values_of(network.gradients().layer(i).output)) {
      size += value * value;
    }
    EXPECT_EQ(size > 0, i == 2) << "layer " << i;
  }
}

TEST_P(Visibility, TwoDocumentsInABlockAreEachAlone) {
  constexpr int32_t kFirst = 3, kSecond = 4, kBlock = kFirst + kSecond;
  for (const std::string& layer_types : layouts()) {
    for (const bool nodiag : {false, true}) {
      config::ModelConfig config = test::small_config(layer_types, 1, 2);
      config.force_nodiag = nodiag;
      ModelOptions options = model_options(config, dtype(), 1, kBlock);
      options.document_mask = true;
      test::TestNetwork block(config, options);
      test::RandomBatch batch(config, 1, kBlock, 1);
      batch.first_key.assign(kFirst, 0);
      batch.first_key.insert(batch.first_key.end(), kSecond, kFirst);
      std::vector<double> logits = block.logits(batch.batch());
      const double loss = block.score_with_gradient(batch.batch());

      test::TestNetwork first(config, model_options(config, dtype(), 1, kFirst));
      test::TestNetwork second(config, model_options(config, dtype(), 1, kSecond));
      const TokenBatch first_batch = {
          std::span(batch.tokens).first(kFirst), std::span(batch.targets).first(kFirst), {}};
      const TokenBatch second_batch = {
          std::span(batch.tokens).last(kSecond), std::span(batch.targets).last(kSecond), {}};
      std::vector<double> alone = first.logits(first_batch);
      const std::vector<double> rest = second.logits(second_batch);
      alone.insert(alone.end(), rest.begin(), rest.end());
      const double bound = test::rounding_bound(block.model(), dtype());
      EXPECT_LT(test::relative_distance(logits, alone), bound) << layer_types;

      const double sum =
          first.score_with_gradient(first_batch) + second.score_with_gradient(second_batch);
      std::vector<double> gradients = first.gradient_values();
      const std::vector<double> more = second.gradient_values();
      for (size_t i = 0; i < more.size(); ++i) gradients[i] += more[i];
      EXPECT_NEAR(loss, sum, bound * sum) << layer_types;
      EXPECT_LT(test::relative_distance(block.gradient_values(), gradients), bound) << layer_types;
    }
  }
}

TEST_P(Visibility, WithoutTheMaskTheSecondDocumentSeesTheFirst) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 1, 2);
  ModelOptions options = model_options(config, dtype(), 1, 7);
  test::TestNetwork open(config, options);
  options.document_mask = true;
  test::TestNetwork masked(config, options);
  test::RandomBatch batch(config, 1, 7, 1);
  const std::vector<double> seen = open.logits(batch.batch());
  batch.first_key = {0, 0, 0, 3, 3, 3, 3};
  const std::vector<double> unseen = masked.logits(batch.batch());
  EXPECT_EQ(row(seen, 2, 11), row(unseen, 2, 11));
  EXPECT_NE(row(seen, 3, 11), row(unseen, 3, 11));
}

}  // namespace
}  // namespace lckv::model
