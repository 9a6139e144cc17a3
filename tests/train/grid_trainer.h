#pragma once

#include <cstring>
#include <functional>
#include <memory>
#include <vector>

#include "grid_run.h"

namespace lckv::test {

/// A trainer of one rank of a grid, freshly initialised, that takes its share of two micro-batches.
class GridTrainer {
 public:
  GridTrainer(const comm::Communicators& ranks, const config::ModelConfig& config, DType dtype)
      : ranks_(ranks), config_(config) {
    settings_.dtype = dtype;
    settings_.micro_batches = 2;
    options_ = trainer_options(ranks, settings_);
    Arena planned = Arena::planning();
    train::Trainer(planned, config, options_);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    trainer_ = std::make_unique<train::Trainer>(*arena_, config, options_);
    trainer_->prepare(stream_);
    trainer_->initialize(stream_, 42);
  }

  /// Collective. `between` runs before each micro-batch.
  train::StepResult step(int64_t number, const std::function<void(int64_t)>& between = {},
                         const train::Trainer::Accept& accept = {}) {
    const RandomBatch batch = global_batch(config_, settings_, number);
    const int64_t own = options_.B * settings_.micro_batches;
    const int64_t first = ranks_.grid.dp_rank() * own;
    int64_t scored = 0;
    for (const int32_t target : batch.sequences(first, first + own, kGridT).targets) {
      scored += target >= 0 ? 1 : 0;
    }
    const auto next = [&](int64_t i) {
      if (between) between(i);
      return batch.sequences(first + i * options_.B, first + (i + 1) * options_.B, kGridT);
    };
    return trainer_->step(stream_, next, settings_.micro_batches, scored, {}, 0.01, number, accept);
  }

  /// The bits of everything that a rank holds: weights, owned masters and moments.
  std::vector<std::byte> bits() const {
    std::vector<std::byte> all;
    for (const std::vector<View>& views :
         {trainer_->weights().buckets(), trainer_->owned_masters(), trainer_->owned_first_moments(),
          trainer_->owned_second_moments()}) {
      for (const View& view : views) {
        const auto* from = static_cast<const std::byte*>(view.raw());
        all.insert(all.end(), from, from + view.bytes());
      }
    }
    return all;
  }

  const comm::Grid& grid() const { return ranks_.grid; }
  Stream& stream() { return stream_; }
  train::Trainer& operator*() { return *trainer_; }
  train::Trainer* operator->() { return trainer_.get(); }

 private:
  const comm::Communicators& ranks_;
  config::ModelConfig config_;
  GridSettings settings_;
  train::Trainer::Options options_;
  Stream stream_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<train::Trainer> trainer_;
};

}  // namespace lckv::test
