#include "lckv/train/trainer.h"

#include <cmath>
#include <cstring>
#include <memory>

#include <gtest/gtest.h>

#include "lckv/test_support/test_network.h"

namespace lckv::train {
namespace {

constexpr int64_t kT = 6;

/// A trainer on a small LCKV model, freshly initialised.
class TestTrainer {
 public:
  TestTrainer(DType dtype, int64_t B) {
    ops::set_cpu_threads(1);  // other tests of this program change it
    config::ModelConfig config = test::small_config("0_3_3_3_4", 1, 2);
    config.initializer_range = 0.3;
    Trainer::Options options;
    options.dtype = dtype;
    options.B = B;
    options.T = kT;
    Arena planned = Arena::planning();
    Trainer(planned, config, options);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    trainer_ = std::make_unique<Trainer>(*arena_, config, options);
    trainer_->prepare(stream_);
    trainer_->initialize(stream_, 42);
  }

  /// One update from B * micro_batches sequences.
  StepResult step(const test::RandomBatch& batch, int64_t micro_batches, int64_t number) {
    const int64_t B = trainer_->network().dims().B;
    int64_t scored = 0;
    for (const int32_t target : batch.targets) scored += target >= 0;
    const auto next = [&](int64_t i) { return batch.sequences(i * B, (i + 1) * B, kT); };
    return trainer_->step(stream_, next, micro_batches, scored, settings_, 0.01, number);
  }

  Trainer& operator*() { return *trainer_; }
  Trainer* operator->() { return trainer_.get(); }
  Stream& stream() { return stream_; }

  /// Weights, masters and both moments.
  std::vector<double> state() const {
    std::vector<double> all;
    for (const model::ParameterSet* set : {&trainer_->weights(), &trainer_->masters(),
                                           &trainer_->optimizer().first_moments().whole(),
                                           &trainer_->optimizer().second_moments().whole()}) {
      for (const View& storage : set->storages()) {
        const std::vector<double> values = test::values_of(storage);
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    return all;
  }

 private:
  Stream stream_;
  config::OptimizerConfig settings_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Trainer> trainer_;
};

class TrainerLaw : public testing::TestWithParam<DType> {
 protected:
  DType dtype() const { return GetParam(); }
  test::RandomBatch batch(uint64_t seed) const {
    return {test::small_config("0_3_3_3_4", 1, 2), 4, kT, seed};
  }
};
INSTANTIATE_TEST_SUITE_P(Cpu, TrainerLaw, testing::Values(DType::kF64, DType::kF32, DType::kBF16),
                         [](const auto& test_case) { return std::string(name(test_case.param)); });

TEST_P(TrainerLaw, LearnsABatchByHeart) {
  TestTrainer trainer(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  const double first = trainer.step(batch, 1, 1).loss;
  double last = first;
  for (int64_t step = 2; step <= 60; ++step) last = trainer.step(batch, 1, step).loss;
  EXPECT_LT(last, first / 4);
}

TEST_P(TrainerLaw, TheFirstLossIsTheMeanOverScoredTargets) {
  TestTrainer trainer(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  double scored = 0;
  for (const int32_t target : batch.targets) scored += target >= 0;
  const double sum = trainer->network().score(trainer.stream(), trainer->weights(), batch.batch());
  EXPECT_DOUBLE_EQ(trainer.step(batch, 1, 1).loss, sum / scored);
}

TEST_P(TrainerLaw, MicroBatchesAreOneLargeBatch) {
  TestTrainer whole(dtype(), 4), halves(dtype(), 2), singles(dtype(), 1);
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

/// Makes one weight of the head not a number for the life of the object.
class Poison {
 public:
  explicit Poison(const model::ParameterSet& weights) : head_(weights.head()) {
    saved_.resize(static_cast<size_t>(head_.bytes()));
    std::memcpy(saved_.data(), head_.raw(), saved_.size());
    with_float_type(head_.dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      head_.data<T>()[3] = static_cast<T>(std::nanf(""));
    });
  }
  ~Poison() { std::memcpy(head_.raw(), saved_.data(), saved_.size()); }

 private:
  View head_;
  std::vector<char> saved_;
};

TEST_P(TrainerLaw, AStepThatIsNotFiniteChangesNothing) {
  TestTrainer clean(dtype(), 4), poisoned(dtype(), 4);
  const test::RandomBatch batch = this->batch(1);
  clean.step(batch, 1, 1);
  poisoned.step(batch, 1, 1);
  {
    const Poison poison(poisoned->weights());
    const StepResult result = poisoned.step(batch, 1, 2);
    EXPECT_FALSE(result.updated);
    EXPECT_FALSE(std::isfinite(result.loss) && std::isfinite(result.grad_norm));
  }
  EXPECT_EQ(poisoned.state(), clean.state());
  EXPECT_TRUE(poisoned.step(batch, 1, 2).updated);
  clean.step(batch, 1, 2);
  EXPECT_EQ(poisoned.state(), clean.state());
}

TEST_P(TrainerLaw, AFiniteStepChangesEveryTensor) {
  TestTrainer trainer(dtype(), 4);
  std::vector<std::vector<double>> before;
  for (const View& storage : trainer->masters().storages())
    before.push_back(test::values_of(storage));
  EXPECT_TRUE(trainer.step(batch(1), 1, 1).updated);
  for (size_t s = 0; s < before.size(); ++s) {
    EXPECT_NE(test::values_of(trainer->masters().storages()[s]), before[s]) << s;
  }
}

TEST_P(TrainerLaw, WeightsAreTheirMastersRounded) {
  TestTrainer trainer(dtype(), 4);
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
  TestTrainer a(dtype(), 4), b(dtype(), 4);
  for (int64_t step = 1; step <= 3; ++step) {
    EXPECT_EQ(a.step(batch(1), 1, step).loss, b.step(batch(1), 1, step).loss);
  }
  EXPECT_EQ(a.state(), b.state());
}

}  // namespace
}  // namespace lckv::train
