#include <cmath>
#include <limits>
#include <optional>
#include <set>

#include <gtest/gtest.h>

#include "planted.h"
#include "small_trainer.h"

// NaN and infinity in every kind of tensor of every parameter: found before the update, named.

namespace lckv::train {
namespace {

using model::Parameter;
using test::Planted;
using test::SmallTrainer;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The tensor as one process holds it.
View view_of(const Trainer& trainer, NonFiniteKind kind, const Parameter& parameter) {
  const AdamW& optimizer = trainer.optimizer();
  const auto view = [&] {
    switch (kind) {
      case NonFiniteKind::kWeight:
        return trainer.weights().view(parameter);
      case NonFiniteKind::kMaster:
        return optimizer.masters().whole().view(parameter);
      case NonFiniteKind::kFirstMoment:
        return optimizer.first_moments().whole().view(parameter);
      case NonFiniteKind::kSecondMoment:
        return optimizer.second_moments().whole().view(parameter);
      default:
        return trainer.gradients().view(parameter);
    }
  }();
  return view.reshape({view.numel()});
}

class NonFiniteLaw : public testing::TestWithParam<DType> {
 protected:
  std::vector<NonFiniteKind> kinds() const {
    std::vector<NonFiniteKind> kinds = {NonFiniteKind::kWeight, NonFiniteKind::kFirstMoment,
                                        NonFiniteKind::kSecondMoment, NonFiniteKind::kGradient};
    if (GetParam() == DType::kBF16) kinds.push_back(NonFiniteKind::kMaster);
    return kinds;
  }

  /// Trains a step with one element spoiled, a gradient's between two micro-batches, and puts it
  /// back.
  StepResult step_with(SmallTrainer& trainer, NonFiniteKind kind, const Parameter& parameter,
                       int64_t index, double value) {
    std::optional<Planted> planted;
    const auto plant = [&](int64_t micro_batch) {
      const int64_t when = kind == NonFiniteKind::kGradient ? 1 : 0;
      if (micro_batch == when) planted.emplace(view_of(*trainer, kind, parameter), index, value);
    };
    return trainer.step(batch_, 2, 2, {}, plant);
  }

  /// Of a row that the batch reads.
  int64_t index_in(const Parameter& parameter) const {
    if (parameter.role != model::Role::kTokenEmbedding) return parameter.shape.numel() / 2;
    return batch_.tokens[1] * parameter.shape[1] + 3;
  }

  test::RandomBatch batch_ = test::small_batch(1);
};
INSTANTIATE_TEST_SUITE_P(Cpu, NonFiniteLaw, testing::Values(DType::kF64, DType::kF32, DType::kBF16),
                         [](const auto& test_case) { return std::string(name(test_case.param)); });

TEST_P(NonFiniteLaw, OfAnyTensorStopsTheUpdateAndIsNamed) {
  SmallTrainer trainer(GetParam(), 2), clean(GetParam(), 2);
  trainer.step(batch_, 2, 1);
  clean.step(batch_, 2, 1);
  const std::vector<double> before = trainer.state();
  std::set<model::Role> roles;
  for (const Parameter& parameter : trainer->weights().table().parameters) {
    const bool first_of_role = roles.insert(parameter.role).second;
    for (const NonFiniteKind kind : kinds()) {
      for (const auto& [value, text] : std::vector<std::pair<double, const char*>>{
               {std::nan(""), "nan"}, {kInfinity, "inf"}, {-kInfinity, "-inf"}}) {
        if (std::isinf(value) && !first_of_role) continue;
        const int64_t index = index_in(parameter);
        const StepResult result = step_with(trainer, kind, parameter, index, value);
        const std::string where = format("{} in {} {}", text, name(kind), parameter.name);
        ASSERT_EQ(result.outcome, StepOutcome::kNotFinite) << where;
        ASSERT_FALSE(result.not_finite.found.empty()) << where;
        const NonFinite expected = {kind, parameter.name, 0, 1, 1, index, text};
        EXPECT_EQ(result.not_finite.found[0], expected)
            << where << ": " << to_text(2, result.not_finite);
        EXPECT_EQ(result.not_finite.tensors[static_cast<size_t>(kind)], 1) << where;
        EXPECT_TRUE(kind == NonFiniteKind::kWeight || result.not_finite.found.size() == 1) << where;
        ASSERT_EQ(trainer.state(), before) << where;
      }
    }
  }
  EXPECT_EQ(roles.size(), 10U);
  EXPECT_TRUE(trainer.step(batch_, 2, 2).updated);
  clean.step(batch_, 2, 2);
  EXPECT_EQ(trainer.state(), clean.state());
}

TEST_P(NonFiniteLaw, InAWeightThatNoSumReadsIsFoundOrWrittenAnew) {
  // A row of the embedding that the batch does not name. BF16 weights are rounded from masters, so
  // that the update mends it; others are masters, and found.
  SmallTrainer trainer(GetParam(), 2), clean(GetParam(), 2);
  std::replace(batch_.tokens.begin(), batch_.tokens.end(), 7, 6);
  const View embedding = trainer->weights().embedding();
  const View row = embedding.slice(0, 7, 8);
  const Planted planted(row.reshape({row.numel()}), 3, std::nan(""));
  const StepResult result = trainer.step(batch_, 2, 1);
  if (GetParam() != DType::kBF16) {
    EXPECT_EQ(result.outcome, StepOutcome::kNotFinite);
    ASSERT_EQ(result.not_finite.found.size(), 1U);
    EXPECT_EQ(result.not_finite.found[0].parameter, "model.embed_tokens.weight");
    return;
  }
  EXPECT_TRUE(result.updated);
  clean.step(batch_, 2, 1);
  EXPECT_EQ(trainer.state(), clean.state());
}

TEST_P(NonFiniteLaw, InAWeightIsBlamedBeforeTheGradientsAndTheLossThatItSpoils) {
  SmallTrainer trainer(GetParam(), 2);
  const Parameter& down = trainer->weights().table().find("model.layers.1.mlp.down_proj.weight");
  const NonFiniteReport report =
      step_with(trainer, NonFiniteKind::kWeight, down, 17, std::nan("")).not_finite;
  EXPECT_EQ(report.tensors.front(), 1);
  EXPECT_GT(report.tensors[static_cast<size_t>(NonFiniteKind::kGradient)], 10);
  EXPECT_EQ(report.found.size(), 1U + NonFiniteReport::kListed + 1U);
  EXPECT_EQ(report.found.back().kind, NonFiniteKind::kLoss);
  EXPECT_EQ(report.sources, std::vector<int>{0});
}

}  // namespace
}  // namespace lckv::train
