#pragma once

#include <memory>
#include <vector>

#include "lckv/test_support/test_network.h"
#include "lckv/train/trainer.h"

namespace lckv::test {

constexpr int64_t kT = 6;

inline config::ModelConfig small_trainer_config() {
  config::ModelConfig config = small_config("0_3_3_3_4", 1, 2);
  config.initializer_range = 0.3;
  return config;
}

/// Four sequences.
inline RandomBatch small_batch(uint64_t seed) { return {small_trainer_config(), 4, kT, seed}; }

/// A trainer on a small LCKV model, freshly initialised.
class SmallTrainer {
 public:
  SmallTrainer(DType dtype, int64_t B) {
    ops::set_cpu_threads(1);  // other tests of this program change it
    const config::ModelConfig config = small_trainer_config();
    train::Trainer::Options options;
    options.dtype = dtype;
    options.B = B;
    options.T = kT;
    Arena planned = Arena::planning();
    train::Trainer(planned, config, options);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    trainer_ = std::make_unique<train::Trainer>(*arena_, config, options);
    trainer_->prepare(stream_);
    trainer_->initialize(stream_, 42);
  }

  /// One update from B * micro_batches sequences. `between` runs before each micro-batch.
  train::StepResult step(const RandomBatch& batch, int64_t micro_batches, int64_t number,
                         const train::Trainer::Accept& accept = {},
                         const std::function<void(int64_t)>& between = {}) {
    const int64_t B = trainer_->network().dims().B;
    int64_t scored = 0;
    for (const int32_t target : batch.targets) scored += target >= 0;
    const auto next = [&](int64_t i) {
      if (between) between(i);
      return batch.sequences(i * B, (i + 1) * B, kT);
    };
    return trainer_->step(stream_, next, micro_batches, scored, settings_, 0.01, number, accept);
  }

  train::Trainer& operator*() { return *trainer_; }
  train::Trainer* operator->() { return trainer_.get(); }
  Stream& stream() { return stream_; }

  /// Weights, masters and both moments.
  std::vector<double> state() const {
    std::vector<double> all;
    for (const model::ParameterSet* set : {&trainer_->weights(), &trainer_->masters(),
                                           &trainer_->optimizer().first_moments().whole(),
                                           &trainer_->optimizer().second_moments().whole()}) {
      for (const View& storage : set->storages()) {
        const std::vector<double> values = values_of(storage);
        all.insert(all.end(), values.begin(), values.end());
      }
    }
    return all;
  }

 private:
  Stream stream_;
  config::OptimizerConfig settings_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<train::Trainer> trainer_;
};

}  // namespace lckv::test
