#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/kernels/cpu_threads.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/model/model.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/naive_model.h"
#include "lckv/test_support/random_tensor.h"

namespace lckv::test {

/// Programs that include this start on one CPU thread: models this small wait for a second one
/// longer than it helps them.
inline const bool kOneThread = (ops::set_cpu_threads(1), true);

/// C = 12, F = 10, V = 11, 4 query heads of width 4 over 2 key/value heads, window 2; as many
/// layers as layer_types has.
inline config::ModelConfig small_config(const std::string& layer_types, int m = 2, int b = 2) {
  config::ModelConfig config;
  config.hidden_size = 12;
  config.intermediate_size = 10;
  config.num_hidden_layers = static_cast<int64_t>(split(layer_types, '_').size());
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  config.head_dim = 4;
  config.vocab_size = 11;
  config.layer_types = layer_types;
  config.forward_passes = m;
  config.backward_passes = b;
  config.sliding_window = 2;
  return config;
}

/// Tokens, next-token targets with every seventh left out, and, when asked for, documents of about
/// four tokens.
struct RandomBatch {
  RandomBatch(const config::ModelConfig& config, int64_t B, int64_t T, uint64_t seed,
              bool documents = false) {
    const CounterRng rng(seed, hash_text("batch"));
    const auto vocabulary = static_cast<uint64_t>(config.vocab_size);
    int32_t start = 0;
    for (int64_t n = 0; n < B * T; ++n) {
      const auto index = static_cast<uint64_t>(n);
      tokens.push_back(static_cast<int32_t>(rng.below(3 * index, vocabulary)));
      const auto target = static_cast<int32_t>(rng.below(3 * index + 1, vocabulary));
      targets.push_back(n % 7 == 5 ? ops::kIgnoreTarget : target);
      if (n % T == 0 || rng.below(3 * index + 2, 4) == 0) start = static_cast<int32_t>(n % T);
      if (documents) first_key.push_back(start);
    }
  }

  model::TokenBatch batch() const { return {tokens, targets, first_key}; }
  /// Sequences first..end-1 of T tokens.
  model::TokenBatch sequences(int64_t first, int64_t end, int64_t T) const {
    const auto cut = [&](const std::vector<int32_t>& all) {
      const auto from = static_cast<size_t>(first * T),
                 count = static_cast<size_t>((end - first) * T);
      return all.empty() ? std::span<const int32_t>() : std::span(all).subspan(from, count);
    };
    return {cut(tokens), cut(targets), cut(first_key)};
  }

  std::vector<int32_t> tokens, targets, first_key;
};

/// A whole model with random weights: large enough that no part of it is near its linear range.
class TestNetwork {
 public:
  TestNetwork(const config::ModelConfig& config, const model::ModelOptions& options,
              uint64_t seed = 1) {
    Arena planned = Arena::planning();
    Parts(planned, config, options);
    arena_ = std::make_unique<Arena>(Arena::allocate(planned));
    parts_ = std::make_unique<Parts>(*arena_, config, options);
    parts_->model.prepare(stream_);
    set_random_weights(seed);
  }

  model::Model& model() { return parts_->model; }
  const model::ParameterSet& weights() const { return parts_->weights; }
  const model::ParameterSet& gradients() const { return parts_->gradients; }
  const Arena& arena() const { return *arena_; }

  double score(const model::TokenBatch& batch) { return model().score(stream_, weights(), batch); }
  double score_with_gradient(const model::TokenBatch& batch, double scale = 1,
                             ops::GradMode mode = ops::GradMode::kOverwrite) {
    return model().score_with_gradient(stream_, weights(), gradients(), batch, scale, mode);
  }
  /// [N * V]
  std::vector<double> logits(const model::TokenBatch& batch) {
    const Buffer buffer = logits_buffer(batch);
    return values_of(buffer.view());
  }
  Buffer logits_buffer(const model::TokenBatch& batch) {
    const model::Dims& d = model().dims();
    Buffer buffer(accumulator(weights().dtype()), {d.N(), d.V});
    model().logits(stream_, weights(), batch, buffer.view());
    return buffer;
  }

  /// All gradients, storage after storage.
  std::vector<double> gradient_values() const { return all_values(gradients()); }
  std::vector<double> weight_values() const { return all_values(weights()); }

  NaiveModel::Weights naive_weights() const {
    NaiveModel::Weights naive;
    for (const model::Parameter& parameter : weights().table().parameters) {
      naive[parameter.name] = values_of(weights().view(parameter));
    }
    return naive;
  }

 private:
  struct Parts {
    Parts(Arena& arena, const config::ModelConfig& config, const model::ModelOptions& options)
        : weights(model::make_parameter_table(config), arena, "weights", options.dtype),
          gradients(weights.table(), arena, "gradients", accumulator(options.dtype)),
          model(arena, config, options) {}
    model::ParameterSet weights, gradients;
    model::Model model;
  };

  void set_random_weights(uint64_t seed) {
    for (const model::Parameter& parameter : weights().table().parameters) {
      const bool norm = parameter.role == model::Role::kNorm;
      const CounterRng rng(seed, hash_text(parameter.name));
      const View view = weights().view(parameter);
      with_float_type(view.dtype(), [&](auto tag) {
        using T = typename decltype(tag)::type;
        for (int64_t i = 0; i < view.numel(); ++i) {
          const double value = (norm ? 1 : 0) + 0.3 * rng.normal(static_cast<uint64_t>(i));
          view.data<T>()[i] = static_cast<T>(static_cast<AccumulatorOf<T>>(value));
        }
      });
    }
  }

  static std::vector<double> all_values(const model::ParameterSet& set) {
    std::vector<double> all;
    for (const View& storage : set.storages()) {
      const std::vector<double> values = values_of(storage);
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }

  Stream stream_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<Parts> parts_;
};

/// || a - b || / || b ||; infinite when a value is not a number.
inline double relative_distance(const std::vector<double>& a, const std::vector<double>& b) {
  double difference = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    difference += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  const bool comparable = a.size() == b.size() && std::isfinite(difference);
  return comparable ? std::sqrt(difference / size) : std::numeric_limits<double>::infinity();
}

/// Bound of relative_distance() between two evaluations of one model that round differently. Every
/// visit passes on what fourteen sums (norms, projections, scores, softmax, values, MLP; forward
/// and backward) rounded; independent roundings add up as their root, and the random weights of
/// TestNetwork amplify them little.
inline double rounding_bound(model::Model& model, DType dtype) {
  constexpr double kSumsPerCell = 14;
  constexpr double kConditioning = 8;
  const model::Dims& d = model.dims();
  const double roundings = static_cast<double>(model.plan().cells.size()) * kSumsPerCell *
                           static_cast<double>(std::max({d.C, d.F, d.Cq(), d.V, d.N()}));
  return kConditioning * unit_roundoff(dtype) * std::sqrt(roundings);
}

/// The same model for the naive reference.
inline NaiveModel naive_model(const config::ModelConfig& config, int m, int b) {
  const model::Dims d = model::make_dims(config, 1, 1);
  NaiveModel::Definition naive;
  for (const model::LayerSpec& layer : model::make_layer_specs(config)) {
    naive.layer_types += format("{}{}{}", naive.layer_types.empty() ? "" : "_", layer.reads,
                                layer.window_tokens > 0 ? "s" : "");
  }
  naive.C = d.C;
  naive.F = d.F;
  naive.V = d.V;
  naive.Hq = d.Hq;
  naive.Hkv = d.Hkv;
  naive.D = d.D;
  naive.sliding_window = config.sliding_window;
  naive.force_nodiag = config.force_nodiag;
  naive.tied = config.tie_word_embeddings;
  naive.rms_norm_eps = config.rms_norm_eps;
  naive.rope_theta = config.rope_theta;
  naive.m = m;
  naive.b = b;
  return NaiveModel(naive);
}
inline NaiveModel naive_model(const config::ModelConfig& config) {
  return naive_model(config, static_cast<int>(config.forward_passes),
                     static_cast<int>(config.backward_passes));
}

}  // namespace lckv::test
