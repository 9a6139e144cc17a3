#include "lckv/model/layer_spec.h"

#include <algorithm>

#include "lckv/config/layer_types.h"

namespace lckv::model {

std::vector<LayerSpec> make_layer_specs(const config::ModelConfig& config) {
  return make_layer_specs(config.layer_types, static_cast<int>(config.num_hidden_layers),
                          config.sliding_window, config.force_nodiag);
}

std::vector<LayerSpec> make_layer_specs(const std::string& layer_types, int layers,
                                        int64_t sliding_window, bool force_nodiag) {
  const std::vector<config::LayerType> types = config::parse_layer_types(layer_types, layers);
  std::vector<LayerSpec> specs(types.size());
  for (size_t i = 0; i < types.size(); ++i) {
    specs[i].reads = types[i].reads;
    specs[i].upward = types[i].reads > static_cast<int>(i);
    specs[i].masks_self = specs[i].upward || force_nodiag;
    specs[i].window_tokens = types[i].windowed ? sliding_window : 0;
    specs[static_cast<size_t>(types[i].reads)].has_kv = true;
  }
  return specs;
}

bool is_plain_llama(const std::vector<LayerSpec>& layers) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const LayerSpec& layer = layers[i];
    if (layer.reads != static_cast<int>(i) || layer.masks_self || layer.window_tokens != 0) {
      return false;
    }
  }
  return true;
}

bool is_iterated(const config::ModelConfig& config) {
  const std::vector<LayerSpec> layers = make_layer_specs(config);
  return std::any_of(layers.begin(), layers.end(),
                     [](const LayerSpec& layer) { return layer.upward; });
}

}  // namespace lckv::model
