#include <cmath>

#include <gtest/gtest.h>

#include "planted.h"
#include "small_trainer.h"

namespace lckv::train {
namespace {

using test::kT;
using test::SmallTrainer;

class TrainerLaw : public testing::TestWithParam<DType> {
 protected:
  DType dtype() const { return GetParam(); }
  test::RandomBatch batch(uint64_t seed) const { return test::small_batch(seed); }
};
INSTANTIATE_TEST_SUITE_P(Cpu, TrainerLaw, testing::Values(DType::kF64, DType::kF32, DType::kBF16),
                         [](const auto& test_case) { return std::string(name(test_case.param)); });

TEST_P(TrainerLaw, LearnsABatchByHeart) {
  SmallTrainer trainer(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  const double first = trainer.step(batch, 1, 1).loss;
  double last = first;
  for (int64_t step = 2; step <= 60; ++step) last = trainer.step(batch, 1, step).loss;
  EXPECT_LT(last, first / 4);
}

TEST_P(TrainerLaw, TheFirstLossIsTheMeanOverScoredTargets) {
  SmallTrainer trainer(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  double scored = 0;
  for (const int32_t target : batch.targets) scored += target >= 0;
  const double sum = trainer->network().score(trainer.stream(), trainer->weights(), batch.batch());
  EXPECT_DOUBLE_EQ(trainer.step(batch, 1, 1).loss, sum / scored);
}

TEST_P(TrainerLaw, MicroBatchesAreOneLargeBatch) {
  SmallTrainer whole(dtype(), 4), halves(dtype(), 2), singles(dtype(), 1);
  for (int64_t step = 1; step <= 3; ++step) {
    // Ragged: the first sequence scores one target.
    test::RandomBatch batch = this->batch(static_cast<uint64_t>(step));
    for (size_t n = 1; n < kT; ++n) batch.targets[n] = ops::kIgnoreTarget;
    const StepResult one = whole.step(batch, 1, step);
    const StepResult two = halves.step(batch, 2, step);
    const StepResult four = singles.step(batch, 4, step);
    const double bound =
        static_cast<double>(step) * test::rounding_bound(whole->network(), dtype());
    EXPECT_NEAR(two.loss, one.loss, bound * one.loss);
    EXPECT_NEAR(four.loss, one.loss, bound * one.loss);
    EXPECT_NEAR(two.grad_norm, one.grad_norm, bound * one.grad_norm);
    EXPECT_NEAR(four.grad_norm, one.grad_norm, bound * one.grad_norm);
  }
}

TEST_P(TrainerLaw, AStepThatIsNotFiniteChangesNothing) {
  SmallTrainer clean(dtype(), 4), poisoned(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  clean.step(batch, 1, 1);
  poisoned.step(batch, 1, 1);
  {
    const View head = poisoned->weights().head();
    const test::Planted planted(head.reshape({head.numel()}), 3, std::nan(""));
    const StepResult result = poisoned.step(batch, 1, 2);
    EXPECT_FALSE(result.updated);
    EXPECT_FALSE(std::isfinite(result.loss) && std::isfinite(result.grad_norm));
  }
  EXPECT_EQ(poisoned.state(), clean.state());
  EXPECT_TRUE(poisoned.step(batch, 1, 2).updated);
  clean.step(batch, 1, 2);
  EXPECT_EQ(poisoned.state(), clean.state());
}

TEST_P(TrainerLaw, ARefusedStepChangesNothing) {
  SmallTrainer trainer(dtype(), 2), clean(dtype(), 2);
  trainer.step(batch(1), 2, 1);
  clean.step(batch(1), 2, 1);
  double asked_loss = 0, asked_norm = 0;
  const auto ask = [&](bool answer) {
    return [&, answer](double loss, double grad_norm) {
      asked_loss = loss;
      asked_norm = grad_norm;
      return answer;
    };
  };
  const StepResult refused = trainer.step(batch(2), 2, 2, ask(false));
  EXPECT_EQ(refused.outcome, StepOutcome::kRefused);
  EXPECT_FALSE(refused.updated);
  EXPECT_EQ(refused.not_finite, NonFiniteReport());
  EXPECT_EQ(trainer.state(), clean.state());
  EXPECT_EQ(asked_loss, refused.loss);
  EXPECT_EQ(asked_norm, refused.grad_norm);
  const StepResult accepted = trainer.step(batch(2), 2, 2, ask(true));
  EXPECT_EQ(accepted.outcome, StepOutcome::kApplied);
  EXPECT_EQ(accepted.loss, refused.loss);
  clean.step(batch(2), 2, 2);
  EXPECT_EQ(trainer.state(), clean.state());
}

TEST_P(TrainerLaw, NobodyIsAskedWhetherAStepThatIsNotFiniteShallHappen) {
  SmallTrainer trainer(dtype(), 4);
  const View norm = trainer->weights().norm();
  const test::Planted planted(norm, 0, std::nan(""));
  const StepResult result = trainer.step(batch(1), 1, 1, [](double, double) {
    ADD_FAILURE() << "asked";
    return true;
  });
  EXPECT_EQ(result.outcome, StepOutcome::kNotFinite);
}

TEST_P(TrainerLaw, AFiniteStepChangesEveryTensor) {
  SmallTrainer trainer(dtype(), 4);
  std::vector<std::vector<double>> before;
  for (const View& storage : trainer->masters().storages())
    before.push_back(test::values_of(storage));
  EXPECT_TRUE(trainer.step(batch(1), 1, 1).updated);
  for (size_t s = 0; s < before.size(); ++s) {
    EXPECT_NE(test::values_of(trainer->masters().storages()[s]), before[s]) << s;
  }
}

TEST_P(TrainerLaw, WeightsAreTheirMastersRounded) {
  SmallTrainer trainer(dtype(), 4);
  for (int64_t step = 1; step <= 3; ++step) trainer.step(batch(1), 1, step);
  for (size_t s = 0; s < trainer->weights().storages().size(); ++s) {
    const std::vector<double> weights = test::values_of(trainer->weights().storages()[s]);
    const std::vector<double> masters = test::values_of(trainer->masters().storages()[s]);
    for (size_t i = 0; i < weights.size(); ++i) {
      const double rounded =
          dtype() == DType::kBF16
              ? static_cast<double>(static_cast<float>(BFloat16(static_cast<float>(masters[i]))))
              : masters[i];
      ASSERT_EQ(weights[i], rounded);
    }
  }
}

TEST_P(TrainerLaw, EqualSeedsGiveEqualRuns) {
  SmallTrainer a(dtype(), 4), b(dtype(), 4);
  for (int64_t step = 1; step <= 3; ++step) {
    EXPECT_EQ(a.step(batch(1), 1, step).loss, b.step(batch(1), 1, step).loss);
  }
  EXPECT_EQ(a.state(), b.state());
}

}  // namespace
}  // namespace lckv::train
