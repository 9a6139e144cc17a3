#pragma once

#include <string>
#include <vector>

#include "lckv/config/model.h"

namespace lckv::model {

/// What layer_types and force_nodiag say of one layer (spec/lckv.md 1.2).
struct LayerSpec {
  int reads = 0;              // a(i): the layer whose keys and values this layer's queries read
  bool has_kv = false;        // some layer reads this one: it owns W_K and W_V
  bool upward = false;        // reads a higher layer: iterated
  bool masks_self = false;    // strict mask: position t reads keys 0..t-1 only
  int64_t window_tokens = 0;  // W of a windowed layer; 0: no window
};

/// One entry per layer. Throws ConfigError as parse_layer_types does.
std::vector<LayerSpec> make_layer_specs(const config::ModelConfig& config);
std::vector<LayerSpec> make_layer_specs(const std::string& layer_types, int layers,
                                        int64_t sliding_window, bool force_nodiag);

/// Whether every layer reads itself with the full ordinary mask: the model is a plain Llama.
bool is_plain_llama(const std::vector<LayerSpec>& layers);

/// Whether layers read keys and values of higher ones, so that passes of them lead to a fixed
/// point.
bool is_iterated(const config::ModelConfig& config);

}  // namespace lckv::model
