#include "lckv/model/init.h"

#include <cmath>
#include <memory>

#include <gtest/gtest.h>

#include "lckv/comm/communicators.h"
#include "lckv/test_support/test_network.h"

namespace lckv::model {
namespace {

/// Freshly initialised weights, with the memory they lie in.
struct Fresh {
  Fresh(const config::ModelConfig& config, uint64_t seed, DType dtype = DType::kF64) {
    const ParameterTable table = make_parameter_table(config);
    Arena planned = Arena::planning();
    ParameterSet(table, planned, "weights", dtype);
    arena = std::make_unique<Arena>(Arena::allocate(planned));
    set = std::make_unique<ParameterSet>(table, *arena, "weights", dtype);
    initialize(*set, config, seed);
  }
  std::vector<double> values(const std::string& name) const {
    return test::values_of(set->view(set->table().find(name)));
  }

  uint64_t hash() const {
    Stream stream;
    return content_hash(stream, *set, *comm::single_process().tp);
  }

  std::unique_ptr<Arena> arena;
  std::unique_ptr<ParameterSet> set;
};

TEST(Init, AnElementIsAFunctionOfSeedNameAndIndex) {
  config::ModelConfig small = test::small_config("0_3_3_3_4");
  config::ModelConfig large = test::small_config("0_1_2_3_4_5_6");
  large.vocab_size = 29;
  large.intermediate_size = 24;
  const Fresh a(small, 7), b(large, 7);
  for (const Parameter& parameter : a.set->table().parameters) {
    const std::vector<double> x = a.values(parameter.name), y = b.values(parameter.name);
    for (size_t i = 0; i < std::min(x.size(), y.size()); ++i) {
      ASSERT_EQ(x[i], y[i]) << parameter.name << " " << i;
    }
  }
}

TEST(Init, OtherSeedsAndNamesGiveOtherElements) {
  const config::ModelConfig config = test::small_config("0_1");
  const Fresh a(config, 7), b(config, 8);
  const std::string q0 = "model.layers.0.self_attn.q_proj.weight";
  const std::string q1 = "model.layers.1.self_attn.q_proj.weight";
  EXPECT_NE(a.values(q0), b.values(q0));
  EXPECT_NE(a.values(q0), a.values(q1));
  EXPECT_NE(a.hash(), b.hash());
  EXPECT_EQ(a.hash(), Fresh(config, 7).hash());
}

TEST(Init, MatricesAreNormalWithTheConfiguredDeviation) {
  config::ModelConfig config = test::small_config("0_1");
  config.vocab_size = 10000;
  config.initializer_range = 0.05;
  const Fresh fresh(config, 7);
  const std::vector<double> w = fresh.values("model.embed_tokens.weight");
  double sum = 0, squares = 0;
  int64_t beyond_one = 0;
  for (const double value : w) {
    sum += value;
    squares += value * value;
    beyond_one += std::fabs(value) > 0.05;
  }
  const auto n = static_cast<double>(w.size());
  // Five deviations of each estimate: of a mean sigma/sqrt(n), of a variance sigma^2 sqrt(2/n), of
  // a share sqrt(p(1-p)/n).
  EXPECT_NEAR(sum / n, 0, 5 * 0.05 / std::sqrt(n));
  EXPECT_NEAR(squares / n, 0.05 * 0.05, 5 * 0.05 * 0.05 * std::sqrt(2 / n));
  const double p = 0.317311;
  EXPECT_NEAR(static_cast<double>(beyond_one) / n, p, 5 * std::sqrt(p * (1 - p) / n));
}

TEST(Init, NormGainsAreOne) {
  const Fresh fresh(test::small_config("0_1"), 7);
  for (const Parameter& parameter : fresh.set->table().parameters) {
    if (parameter.role != Role::kNorm) continue;
    for (const double value : fresh.values(parameter.name)) ASSERT_EQ(value, 1) << parameter.name;
  }
}

TEST(Init, ThePadRowIsZeroOnlyIfAPadIdIsSet) {
  config::ModelConfig config = test::small_config("0_1");
  const std::vector<double> without = Fresh(config, 7).values("model.embed_tokens.weight");
  config.pad_token_id = 3;
  const std::vector<double> with = Fresh(config, 7).values("model.embed_tokens.weight");
  for (size_t i = 0; i < with.size(); ++i) {
    const bool pad = i / 12 == 3;
    ASSERT_EQ(with[i], pad ? 0 : without[i]) << i;
    ASSERT_NE(without[i], 0) << i;
  }
}

TEST(Init, IsRoundedOnceToTheDtype) {
  const config::ModelConfig config = test::small_config("0_1");
  const Fresh exact(config, 7), single(config, 7, DType::kF32), brain(config, 7, DType::kBF16);
  for (const Parameter& parameter : exact.set->table().parameters) {
    const std::vector<double> x = exact.values(parameter.name);
    const std::vector<double> s = single.values(parameter.name), h = brain.values(parameter.name);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(s[i], static_cast<double>(static_cast<float>(x[i])));
      ASSERT_EQ(h[i], static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(x[i])))));
    }
  }
}

}  // namespace
}  // namespace lckv::model
