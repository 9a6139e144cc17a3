#include <gtest/gtest.h>

#include "lckv/test_support/random_layout.h"
#include "lckv/test_support/test_network.h"

namespace lckv::model {
namespace {

std::vector<double> flat(const test::NaiveModel::Rows& rows) {
  std::vector<double> all;
  for (const auto& row : rows) all.insert(all.end(), row.begin(), row.end());
  return all;
}

TEST(Model, HasTheLogitsOfTheNaiveReferenceForAnyLayout) {
  for (uint64_t number = 0; number < 60; ++number) {
    const test::RandomLayout layout = test::random_layout(20240527, number, 6, 3, 2);
    config::ModelConfig config = test::small_config(layout.layer_types, layout.m, layout.b);
    config.force_nodiag = layout.force_nodiag;
    config.tie_word_embeddings = number % 3 == 0;
    const bool documents = number % 2 == 0;
    ModelOptions options = model_options(config, DType::kF64, 1, 6);
    options.document_mask = documents;
    test::TestNetwork network(config, options, number);
    const test::RandomBatch batch(config, 1, 6, number, documents);
    const auto naive =
        test::naive_model(config).logits(network.naive_weights(), batch.tokens, batch.first_key);
    EXPECT_LT(test::relative_distance(network.logits(batch.batch()), flat(naive)),
              test::rounding_bound(network.model(), DType::kF64))
        << layout.layer_types << " m=" << layout.m << " b=" << layout.b;
    const double nll = test::naive_nll(naive, batch.targets);
    EXPECT_NEAR(network.score(batch.batch()), nll,
                nll * test::rounding_bound(network.model(), DType::kF64));
  }
}

TEST(Model, HasTheRopeAndTheNormsOfItsConfiguration) {
  config::ModelConfig config = test::small_config("0_3_3_3_4");
  config.rope_theta = 500000;
  config.rms_norm_eps = 1e-3;
  test::TestNetwork network(config, model_options(config, DType::kF64, 1, 6));
  const test::RandomBatch batch(config, 1, 6, 3);
  const std::vector<double> ours = network.logits(batch.batch());
  const double bound = test::rounding_bound(network.model(), DType::kF64);
  const auto distance_to = [&](const config::ModelConfig& other) {
    const auto naive = test::naive_model(other).logits(network.naive_weights(), batch.tokens);
    return test::relative_distance(ours, flat(naive));
  };
  EXPECT_LT(distance_to(config), bound);
  const auto naive = test::naive_model(config).logits(network.naive_weights(), batch.tokens);
  const double nll = test::naive_nll(naive, batch.targets);
  EXPECT_NEAR(network.score(batch.batch()), nll, nll * bound);
  // The bound tells them from their defaults.
  config::ModelConfig other = config;
  other.rope_theta = config::ModelConfig().rope_theta;
  EXPECT_GT(distance_to(other), 1e6 * bound);
  other = config;
  other.rms_norm_eps = config::ModelConfig().rms_norm_eps;
  EXPECT_GT(distance_to(other), 1e6 * bound);
}

TEST(Model, WithOneWrongSourceIsNoticed) {
  const config::ModelConfig config = test::small_config("0_3_3_3_4");
  test::TestNetwork network(config, model_options(config, DType::kF64, 1, 6));
  const test::RandomBatch batch(config, 1, 6, 1);
  config::ModelConfig other = config;
  other.layer_types = "0_3_3s_3_4";
  const auto naive = test::naive_model(other).logits(network.naive_weights(), batch.tokens);
  EXPECT_GT(test::relative_distance(network.logits(batch.batch()), flat(naive)), 1e-6);
}

TEST(Model, OfTheIdentityStringIsAPlainLlamaBitForBit) {
  // No string, the identity, and any number of passes: one straight run of the same kernels.
  const config::ModelConfig identity = test::small_config("0_1_2_3", 7, 2);
  config::ModelConfig llama = identity;
  llama.layer_types = "";
  llama.forward_passes = 0;
  llama.backward_passes = 1;
  test::TestNetwork a(identity, model_options(identity, DType::kF32, 2, 7));
  test::TestNetwork b(llama, model_options(llama, DType::kF32, 2, 7));
  const test::RandomBatch batch(identity, 2, 7, 1);
  EXPECT_EQ(a.score_with_gradient(batch.batch()), b.score_with_gradient(batch.batch()));
  EXPECT_EQ(a.gradient_values(), b.gradient_values());
}

TEST(Model, WithAsManyPassesAsTokensIsTokenByTokenDecoding) {
  constexpr int64_t T = 6;
  for (const char* layer_types : {"0_3_3_3_4", "3_3_3_3", "1_1_3_3", "0_2_2_2_2", "2_2_4_3_4_5",
                                  "0_3s_3_3s_4", "1s_1s_2", "0_1_2", "0s_0"}) {
    for (const bool nodiag : {false, true}) {
      for (const int m : {0, 4}) {
        config::ModelConfig config = test::small_config(layer_types, m, static_cast<int>(T) - m);
        config.force_nodiag = nodiag;
        test::TestNetwork network(config, model_options(config, DType::kF64, 1, T));
        const test::RandomBatch batch(config, 1, T, 5);
        const auto decoded =
            test::naive_model(config).decode(network.naive_weights(), batch.tokens);
        EXPECT_LT(test::relative_distance(network.logits(batch.batch()), flat(decoded)),
                  test::rounding_bound(network.model(), DType::kF64))
            << layer_types << " nodiag=" << nodiag << " m=" << m;
      }
    }
  }
}

TEST(Model, HasDecodedExactlyAsManyTokensAsItRanPasses) {
  // After P passes tokens 0..P-1 are those of left-to-right computation, and token P is not.
  constexpr int64_t T = 7;
  constexpr size_t kPasses = 3;
  const config::ModelConfig config = test::small_config("0_3_3_3_4", 2, 1);
  test::TestNetwork network(config, model_options(config, DType::kF64, 1, T));
  const test::RandomBatch batch(config, 1, T, 5);
  const std::vector<double> logits = network.logits(batch.batch());
  const auto decoded = test::naive_model(config).decode(network.naive_weights(), batch.tokens);
  const double bound = test::rounding_bound(network.model(), DType::kF64);
  for (size_t t = 0; t < static_cast<size_t>(T); ++t) {
    const auto V = decoded[t].size();
    const std::vector<double> row(logits.begin() + static_cast<int64_t>(t * V),
                                  logits.begin() + static_cast<int64_t>((t + 1) * V));
    const double distance = test::relative_distance(row, decoded[t]);
    EXPECT_EQ(distance < bound, t < kPasses) << "token " << t << ": " << distance;
  }
}

}  // namespace
}  // namespace lckv::model
