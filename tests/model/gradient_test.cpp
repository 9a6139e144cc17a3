#include <cmath>
#include <cstring>

#include <gtest/gtest.h>

#include "lckv/test_support/random_layout.h"
#include "lckv/test_support/test_network.h"

namespace lckv::model {
namespace {

constexpr uint64_t kSeed = 20240525;

/// One random small model and batch.
struct Case {
  config::ModelConfig config;
  int64_t B = 2;
  int64_t T = 5;
  bool documents = false;
  std::string name;
};

Case random_case(uint64_t number) {
  const test::RandomLayout layout = test::random_layout(kSeed, number, 5, 3, 3);
  const CounterRng rng(kSeed, 1000 + number);
  Case c;
  c.config = test::small_config(layout.layer_types, layout.m, layout.b);
  c.config.force_nodiag = layout.force_nodiag;
  c.config.sliding_window = 1 + static_cast<int64_t>(rng.below(0, 3));
  c.config.num_key_value_heads = int64_t{1} << rng.below(1, 3);
  c.config.tie_word_embeddings = rng.below(2, 2) == 0;
  c.documents = rng.below(3, 2) == 0;
  c.B = 1 + static_cast<int64_t>(rng.below(4, 2));
  c.T = 3 + static_cast<int64_t>(rng.below(5, 4));
  c.name =
      format("#{} {} m={} b={} nodiag={} W={} Hkv={} tied={} documents={} B={} T={}", number,
             layout.layer_types, layout.m, layout.b, layout.force_nodiag, c.config.sliding_window,
             c.config.num_key_value_heads, c.config.tie_word_embeddings, c.documents, c.B, c.T);
  return c;
}

/// The loss of the naive reference over a batch, sequence by sequence, with the constants of the
/// gradient boundary frozen or not.
class NaiveLoss {
 public:
  NaiveLoss(const Case& c, const test::RandomBatch& batch, const test::NaiveModel::Weights& weights)
      : naive_(test::naive_model(c.config)), batch_(batch), T_(static_cast<size_t>(c.T)) {
    for (size_t s = 0; s < batch.tokens.size() / T_; ++s) {
      boundaries_.emplace_back();
      naive_.logits_and_boundary(weights, sequence(batch.tokens, s), sequence(batch.first_key, s),
                                 boundaries_.back());
    }
  }

  double operator()(const test::NaiveModel::Weights& weights, bool frozen) const {
    double sum = 0;
    for (size_t s = 0; s < boundaries_.size(); ++s) {
      const auto tokens = sequence(batch_.tokens, s), first_key = sequence(batch_.first_key, s);
      sum += test::naive_nll(
          frozen ? naive_.logits_from_boundary(weights, tokens, first_key, boundaries_[s])
                 : naive_.logits(weights, tokens, first_key),
          sequence(batch_.targets, s));
    }
    return sum;
  }
  /// Whether a scored row depends on the constants: the first b tokens of a document are computed
  /// by gradient passes alone.
  bool depends_on_constants(int64_t b) const {
    for (size_t n = 0; n < batch_.tokens.size(); ++n) {
      const auto start = batch_.first_key.empty() ? 0 : static_cast<int64_t>(batch_.first_key[n]);
      const auto index = static_cast<int64_t>(n % T_) - start;
      if (!boundaries_[n / T_].empty() && index >= b && batch_.targets[n] >= 0) return true;
    }
    return false;
  }

 private:
  std::span<const int32_t> sequence(const std::vector<int32_t>& all, size_t s) const {
    if (all.empty()) return {};
    return std::span(all).subspan(s * T_, T_);
  }

  test::NaiveModel naive_;
  const test::RandomBatch& batch_;
  size_t T_;
  std::vector<test::NaiveModel::Boundary> boundaries_;
};

/// A directional derivative by central differences at +-h and +-2h.
struct Difference {
  double value;  // fourth order
  double error;  // bound: the third-order term it cancels, and the rounding of four losses
};

Difference difference(const NaiveLoss& loss, test::NaiveModel::Weights weights,
                      const std::string& name, const std::vector<double>& direction, bool frozen) {
  constexpr double h = 1e-4;
  constexpr double kRoundings = 64;  // of one loss, relative, in units of 2^-53
  const std::vector<double> centre = weights.at(name);
  double largest = 0;
  const auto at = [&](double step) {
    for (size_t i = 0; i < centre.size(); ++i) weights[name][i] = centre[i] + step * direction[i];
    const double value = loss(weights, frozen);
    largest = std::max(largest, std::fabs(value));
    return value;
  };
  const double near = (at(h) - at(-h)) / (2 * h);
  const double far = (at(2 * h) - at(-2 * h)) / (4 * h);
  const double value = near + (near - far) / 3;
  return {value, std::fabs(near - far) / 3 + kRoundings * 0x1p-53 * largest / h};
}

std::vector<double> direction_of(const Parameter& parameter) {
  const CounterRng rng(kSeed, hash_text("direction " + parameter.name));
  std::vector<double> direction;
  for (int64_t i = 0; i < parameter.shape.numel(); ++i) {
    direction.push_back(rng.normal(static_cast<uint64_t>(i)));
  }
  return direction;
}

double dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

TEST(Gradient, IsTheCentralDifferenceWithTheConstantsFrozen) {
  int truncated_cases = 0;
  for (uint64_t number = 0; number < 30; ++number) {
    const Case c = random_case(number);
    SCOPED_TRACE(c.name);
    test::TestNetwork network(c.config, [&] {
      ModelOptions options = model_options(c.config, DType::kF64, c.B, c.T);
      options.document_mask = c.documents;
      return options;
    }());
    const test::RandomBatch batch(c.config, c.B, c.T, number, c.documents);
    network.score_with_gradient(batch.batch());
    const test::NaiveModel::Weights weights = network.naive_weights();
    const NaiveLoss loss(c, batch, weights);

    const bool truncated = loss.depends_on_constants(c.config.backward_passes);
    double plain_disagreement = 0;  // in units of the bound
    for (const Parameter& parameter : network.weights().table().parameters) {
      const std::vector<double> direction = direction_of(parameter);
      const double ours = dot(test::values_of(network.gradients().view(parameter)), direction);
      const Difference frozen = difference(loss, weights, parameter.name, direction, true);
      EXPECT_NEAR(ours, frozen.value, frozen.error) << parameter.name;
      if (!truncated) continue;
      const Difference plain = difference(loss, weights, parameter.name, direction, false);
      plain_disagreement =
          std::max(plain_disagreement, std::fabs(ours - plain.value) / plain.error);
    }
    if (!truncated) continue;
    ++truncated_cases;
    EXPECT_GT(plain_disagreement, 1000) << "the difference follows the constant passes";
  }
  EXPECT_GE(truncated_cases, 10);
}

TEST(Gradient, WithoutConstantPassesIsAlsoThePlainCentralDifference) {
  Case c;
  c.config = test::small_config("0_3_3_3_4", 0, 2);
  test::TestNetwork network(c.config, model_options(c.config, DType::kF64, c.B, c.T));
  const test::RandomBatch batch(c.config, c.B, c.T, 1);
  network.score_with_gradient(batch.batch());
  const test::NaiveModel::Weights weights = network.naive_weights();
  const NaiveLoss loss(c, batch, weights);
  for (const Parameter& parameter : network.weights().table().parameters) {
    const std::vector<double> direction = direction_of(parameter);
    const Difference plain = difference(loss, weights, parameter.name, direction, false);
    EXPECT_NEAR(dot(test::values_of(network.gradients().view(parameter)), direction), plain.value,
                plain.error)
        << parameter.name;
  }
}

TEST(Gradient, FollowsTheRopeAndTheNormsOfTheConfiguration) {
  Case c;
  c.config = test::small_config("0_3_3_3_4");
  c.config.rope_theta = 500000;
  c.config.rms_norm_eps = 1e-3;
  Case defaults = c;
  defaults.config.rope_theta = config::ModelConfig().rope_theta;
  defaults.config.rms_norm_eps = config::ModelConfig().rms_norm_eps;
  test::TestNetwork network(c.config, model_options(c.config, DType::kF64, c.B, c.T));
  const test::RandomBatch batch(c.config, c.B, c.T, 1);
  network.score_with_gradient(batch.batch());
  const test::NaiveModel::Weights weights = network.naive_weights();
  const NaiveLoss loss(c, batch, weights), other(defaults, batch, weights);
  for (const Parameter& parameter : network.weights().table().parameters) {
    const std::vector<double> direction = direction_of(parameter);
    const double ours = dot(test::values_of(network.gradients().view(parameter)), direction);
    const Difference own = difference(loss, weights, parameter.name, direction, true);
    EXPECT_NEAR(ours, own.value, own.error) << parameter.name;
    const Difference wrong = difference(other, weights, parameter.name, direction, true);
    EXPECT_GT(std::fabs(ours - wrong.value), 100 * wrong.error) << parameter.name;
  }
}

TEST(Gradient, OfATiedEmbeddingIsTheSumOfItsTwoUses) {
  config::ModelConfig config = test::small_config("0_2_2_3");
  test::TestNetwork untied(config, model_options(config, DType::kF64, 2, 6));
  config.tie_word_embeddings = true;
  test::TestNetwork tied(config, model_options(config, DType::kF64, 2, 6));
  ASSERT_FALSE(tied.weights().head().raw() == untied.weights().head().raw());
  // The same weights in both: the head of the untied model is a copy of its embedding.
  std::memcpy(untied.weights().head().raw(), untied.weights().embedding().raw(),
              static_cast<size_t>(untied.weights().head().bytes()));
  const test::RandomBatch batch(config, 2, 6, 3);
  ASSERT_EQ(tied.score_with_gradient(batch.batch()), untied.score_with_gradient(batch.batch()));
  const std::vector<double> both = test::values_of(tied.gradients().embedding());
  const std::vector<double> lookup = test::values_of(untied.gradients().embedding());
  const std::vector<double> head = test::values_of(untied.gradients().head());
  for (size_t i = 0; i < both.size(); ++i) {
    // Sums of up to N = 12 rows and the lookups, in another order.
    EXPECT_NEAR(both[i], lookup[i] + head[i],
                12 * 0x1p-52 * (std::fabs(lookup[i]) + std::fabs(head[i]) + 1));
  }
}

TEST(Gradient, OverwritesWhateverWasThereAndLeavesNothingUnwritten) {
  struct Layout {
    const char* layer_types;
    int m, b;
  };
  // Without weights that no visit writes, and with: W_Q and W_O of upward layers, W_K and W_V of
  // layer 1.
  for (const auto& [layer_types, m, b] : {Layout{"0_1_2", 1, 1},
                                          {"0_3_3_3_4", 2, 2},
                                          {"2_1_2_1", 1, 1},
                                          {"0_3_3_3_4", 0, 1},
                                          {"1_3_3_3", 1, 1}}) {
    const config::ModelConfig config = test::small_config(layer_types, m, b);
    test::TestNetwork network(config, model_options(config, DType::kF32, 1, 4));
    const test::RandomBatch batch(config, 1, 4, 9);
    network.score_with_gradient(batch.batch());
    const std::vector<double> first = network.gradient_values();
    for (const View& storage : network.gradients().storages()) {
      std::fill_n(storage.data<float>(), storage.numel(), std::nanf(""));
    }
    network.score_with_gradient(batch.batch());
    EXPECT_EQ(network.gradient_values(), first) << layer_types;
  }
}

}  // namespace
}  // namespace lckv::model
