#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "lckv/model/init.h"
#include "lckv/mpi_test/model_grid.h"
#include "lckv/test_support/test_network.h"
#include "lckv/train/parameter_slices.h"
#include "lckv/train/trainer.h"

namespace lckv::test {

/// Eight query heads over four key/value heads, so that tp = 8 shares heads; a vocabulary that no
/// tp divides.
inline config::ModelConfig grid_config(const std::string& layer_types, int m = 2, int b = 2) {
  config::ModelConfig config = small_config(layer_types, m, b);
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_attention_heads = 8;
  config.num_key_value_heads = 4;
  config.head_dim = 4;
  config.vocab_size = 37;
  config.initializer_range = 0.3;
  return config;
}

/// How a run is divided; the arithmetic must not show it.
struct GridSettings {
  DType dtype = DType::kF64;
  int64_t micro_batches = 1;  // of each copy
  bool sequence_parallel = false;
  config::Recompute recompute = config::Recompute::kNone;
  bool documents = false;
  int64_t steps = 20;
  int64_t unscored_sequences = 0;  // the last of each global batch, whose targets do not count
  double perturbation = 0;         // relative, of every initial weight, of either sign
};

/// What a training shows: every number that a law compares. Tensors on rank 0 alone.
struct Training {
  std::vector<double> losses, norms;
  std::map<std::string, std::vector<double>> first_gradients, final_weights;
  bool operator==(const Training&) const = default;
};

constexpr int64_t kGridT = 6;
constexpr int64_t kGridSequences = 8;  // of the global batch

inline void perturb(View values, double relative) {
  const CounterRng rng(3, static_cast<uint64_t>(values.numel()));
  for (int64_t i = 0; i < values.numel(); ++i) {
    const double sign = rng.bits(static_cast<uint64_t>(i)) % 2 == 0 ? 1 : -1;
    values.data<double>()[i] *= 1 + sign * relative;
  }
}

inline train::Trainer::Options trainer_options(const comm::Communicators& ranks,
                                               const GridSettings& settings) {
  train::Trainer::Options options;
  options.dtype = settings.dtype;
  options.B = kGridSequences / ranks.grid.dp / settings.micro_batches;
  options.T = kGridT;
  options.document_mask = settings.documents;
  options.recompute = settings.recompute;
  options.ranks = &ranks;
  options.sequence_parallel = settings.sequence_parallel;
  return options;
}

inline RandomBatch global_batch(const config::ModelConfig& config, const GridSettings& settings,
                                int64_t step) {
  RandomBatch batch(config, kGridSequences, kGridT, 100 + static_cast<uint64_t>(step),
                    settings.documents);
  std::fill(batch.targets.end() - settings.unscored_sequences * kGridT, batch.targets.end(),
            ops::kIgnoreTarget);
  return batch;
}

/// Sees the trainer on every rank after the last step. May run collectives.
using LookAtTrainer = std::function<void(Stream&, const train::Trainer&)>;

/// Trains `steps` updates on random ragged batches, this rank's share of each.
inline Training train_on(const comm::Communicators& ranks, const config::ModelConfig& config,
                         const GridSettings& settings, const LookAtTrainer& look = {}) {
  const train::Trainer::Options options = trainer_options(ranks, settings);
  const int64_t B = options.B, own = B * settings.micro_batches;
  Arena planned = Arena::planning();
  train::Trainer(planned, config, options);
  Arena arena = Arena::allocate(planned);
  train::Trainer trainer(arena, config, options);
  Stream stream;
  trainer.prepare(stream);
  trainer.set_weights(stream, [&](const model::Parameter& parameter, View local) {
    model::initialize(parameter, local, config, 42);
    if (settings.perturbation != 0) perturb(local, settings.perturbation);
  });
  const train::WholeTensors whole(config, ranks);
  const auto collect = [&](const std::vector<View>& owned) {
    std::map<std::string, std::vector<double>> values;
    whole.gather(stream, owned, [&](const model::Parameter& parameter, ConstView tensor) {
      values[parameter.name] = values_of(tensor);
    });
    return values;
  };

  Training result;
  config::OptimizerConfig optimizer;
  optimizer.clip_norm = 0.5;  // some steps are clipped, some not
  for (int64_t step = 0; step < settings.steps; ++step) {
    const RandomBatch batch = global_batch(config, settings, step);
    const int64_t first = ranks.grid.dp_rank() * own;
    int64_t scored = 0;
    for (const int32_t target : batch.sequences(first, first + own, kGridT).targets) {
      scored += target >= 0 ? 1 : 0;
    }
    const auto next = [&](int64_t i) {
      return batch.sequences(first + i * B, first + (i + 1) * B, kGridT);
    };
    const train::StepResult done =
        trainer.step(stream, next, settings.micro_batches, scored, optimizer, 0.01, step + 1);
    result.losses.push_back(done.loss);
    result.norms.push_back(done.grad_norm);
    if (step > 0) continue;
    std::vector<View> owned;
    for (const View& bucket : trainer.gradients().buckets()) {
      owned.push_back(model::owned_part(bucket, trainer.gradients().table(), ranks.grid.dp_rank()));
    }
    result.first_gradients = collect(owned);
  }
  result.final_weights = collect(trainer.owned_masters());
  if (look) look(stream, trainer);
  return result;
}

/// Largest difference over the largest value; the difference itself where all values are 0.
/// Infinite when sizes differ or a value is not a number.
inline double worst_error(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return std::numeric_limits<double>::infinity();
  double difference = 0, largest = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double d = std::abs(a[i] - b[i]);
    difference =
        std::isfinite(d) ? std::max(difference, d) : std::numeric_limits<double>::infinity();
    largest = std::max(largest, std::abs(b[i]));
  }
  return largest > 0 ? difference / largest : difference;
}

/// The laws of a grid: how far a training is from the one it must equal.
struct GridErrors {
  double loss = 0;       // first step, before any update
  double gradients = 0;  // worst tensor of the first step
  double norms = 0;
  double weights = 0;  // worst tensor after the last step
  std::string worst_gradient, worst_weight;

  double worst() const { return std::max({loss, gradients, norms, weights}); }
};

inline GridErrors compare(const Training& actual, const Training& expected) {
  GridErrors errors;
  errors.loss = worst_error({actual.losses.front()}, {expected.losses.front()});
  errors.norms = std::max(worst_error(actual.norms, expected.norms),
                          worst_error(actual.losses, expected.losses));
  const auto worst = [](const auto& ours, const auto& theirs, double& error, std::string& name) {
    if (ours.size() != theirs.size()) error = std::numeric_limits<double>::infinity();
    for (const auto& [tensor, values] : theirs) {
      const auto found = ours.find(tensor);
      const double e = found == ours.end() ? std::numeric_limits<double>::infinity()
                                           : worst_error(found->second, values);
      if (e >= error) name = tensor;
      error = std::max(error, e);
    }
  };
  worst(actual.first_gradients, expected.first_gradients, errors.gradients, errors.worst_gradient);
  worst(actual.final_weights, expected.final_weights, errors.weights, errors.worst_weight);
  return errors;
}

}  // namespace lckv::test
