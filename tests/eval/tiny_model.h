#pragma once

#include <cmath>
#include <memory>

#include "lckv/model/init.h"
#include "lckv/model/model.h"

namespace lckv::eval {

/// Four layers, of which 1 and 2 are iterated; as many tokens as the bytes tokenizer has.
inline config::ModelConfig tiny_config() {
  config::ModelConfig config;
  config.hidden_size = 16;
  config.intermediate_size = 24;
  config.num_hidden_layers = 4;
  config.num_attention_heads = 2;
  config.num_key_value_heads = 1;
  config.vocab_size = 258;
  config.max_position_embeddings = 64;
  // Large enough for attention to matter and for passes to differ.
  config.initializer_range = 0.3;
  config.layer_types = "0_2_2_3";
  config.forward_passes = 2;
  config.backward_passes = 2;
  return config;
}

/// The same, in heads that two or four ranks can share; of four, two hold each key/value head.
inline config::ModelConfig tiny_shared_config() {
  config::ModelConfig config = tiny_config();
  config.num_attention_heads = 4;
  config.num_key_value_heads = 2;
  return config;
}

/// Weights in memory of their own; a rank's share of them has the same values.
class TinyWeights {
 public:
  explicit TinyWeights(const config::ModelConfig& config, DType dtype = DType::kF64,
                       const model::ParameterShare& share = {})
      : table_(model::make_parameter_table(config, share)), plan_(Arena::planning()) {
    model::ParameterSet planned(table_, plan_, "weights", dtype);
    arena_ = std::make_unique<Arena>(Arena::allocate(plan_));
    set_ = std::make_unique<model::ParameterSet>(table_, *arena_, "weights", dtype);
    model::initialize(*set_, config, 7);
  }
  const model::ParameterSet& set() const { return *set_; }

 private:
  model::ParameterTable table_;
  Arena plan_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<model::ParameterSet> set_;
};

/// A model of the naked interface, one sequence at a time: what the evaluators are compared with.
class PlainScorer {
 public:
  PlainScorer(const config::ModelConfig& config, const model::ParameterSet& weights, int64_t T,
              int passes)
      : weights_(weights), plan_(Arena::planning()) {
    model::ModelOptions options = model::model_options(config, weights.dtype(), 1, T);
    options.forward_passes = passes - 1;
    options.backward_passes = 1;
    model::Model planned(plan_, config, options);
    arena_ = std::make_unique<Arena>(Arena::allocate(plan_));
    model_ = std::make_unique<model::Model>(*arena_, config, options);
    model_->prepare(stream_);
  }
  double nll(std::span<const int32_t> tokens, std::span<const int32_t> targets) {
    return model_->score(stream_, weights_, {tokens, targets, {}});
  }

 private:
  const model::ParameterSet& weights_;
  Stream stream_;
  Arena plan_;
  std::unique_ptr<Arena> arena_;
  std::unique_ptr<model::Model> model_;
};

/// Bound on the difference of two sums of NLL that were computed with other batch shapes: each of
/// the `cells` visits of a layer passes on what seven sums (norms, projections, scores, softmax,
/// values, MLP) of up to V terms rounded, at unit roundoff `eps`. Independent roundings add up as
/// their root; 8 for what softmax and norms amplify.
inline double rounding_bound(double sum_nll, double cells, double eps = 0x1p-53) {
  constexpr double kSumsPerCell = 7, kConditioning = 8;
  return sum_nll * eps * kConditioning * std::sqrt(cells * kSumsPerCell * 258);
}

}  // namespace lckv::eval
