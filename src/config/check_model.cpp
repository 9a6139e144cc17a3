#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/config/layer_types.h"
#include "lckv/config/load.h"
#include "lckv/config/rules.h"

namespace lckv::config {
namespace {

void check_width(const ModelConfig& m, Rules& rules) {
  if (!rules.sound({"model.hidden_size", "model.num_attention_heads", "model.head_dim"})) return;
  const bool derived = m.head_dim == 0;
  if (derived && m.hidden_size % m.num_attention_heads != 0) {
    rules.refuse("model.num_attention_heads",
                 format("{} does not divide hidden_size {}; give head_dim if that is meant",
                        m.num_attention_heads, m.hidden_size));
    return;
  }
  const int64_t head_dim = derived ? m.hidden_size / m.num_attention_heads : m.head_dim;
  if (head_dim % 2 == 0) return;
  if (derived) {
    rules.refuse(
        "model.num_attention_heads",
        format("hidden_size {} / num_attention_heads {} = {} is odd; rotary positions need "
               "an even head width",
               m.hidden_size, m.num_attention_heads, head_dim));
  } else {
    rules.refuse("model.head_dim",
                 format("{} is odd; rotary positions need an even head width", head_dim));
  }
}

void check_groups(const ModelConfig& m, Rules& rules) {
  if (!rules.sound({"model.num_attention_heads", "model.num_key_value_heads"})) return;
  if (m.num_key_value_heads == 0 || m.num_attention_heads % m.num_key_value_heads == 0) return;
  rules.refuse("model.num_key_value_heads", format("{} does not divide num_attention_heads {}",
                                                   m.num_key_value_heads, m.num_attention_heads));
}

void check_layers(const ModelConfig& m, Rules& rules) {
  if (!rules.sound({"model.layer_types", "model.num_hidden_layers"})) return;
  std::vector<LayerType> types;
  try {
    types = parse_layer_types(m.layer_types, static_cast<int>(m.num_hidden_layers));
  } catch (const ConfigError& e) {
    rules.refuse("model.layer_types", e.what());
    return;
  }
  if (!rules.sound({"model.sliding_window"}) || m.sliding_window >= 1) return;
  const auto first =
      std::find_if(types.begin(), types.end(), [](const LayerType& type) { return type.windowed; });
  if (first == types.end()) return;
  rules.refuse("model.sliding_window",
               format("must be >= 1 because layer {} of layer_types has a window (s), is {}",
                      first - types.begin(), m.sliding_window));
}

void check_token_id(const char* path, const std::optional<int64_t>& id, const ModelConfig& m,
                    Rules& rules) {
  if (!rules.sound({path, "model.vocab_size"}) || !id || *id < m.vocab_size) return;
  rules.refuse(path, format("{} is outside the vocabulary [0, {})", *id, m.vocab_size));
}

}  // namespace

void check_model_rules(const ModelConfig& model, Rules& rules) {
  check_width(model, rules);
  check_groups(model, rules);
  check_layers(model, rules);
  check_token_id("model.bos_token_id", model.bos_token_id, model, rules);
  check_token_id("model.eos_token_id", model.eos_token_id, model, rules);
  check_token_id("model.pad_token_id", model.pad_token_id, model, rules);
}

std::vector<Problem> check_model(const ModelConfig& model, const std::set<std::string>& unsound) {
  ModelConfig copy = model;
  Rules rules(unsound);
  rules.check_each(keys_of(copy));
  check_model_rules(model, rules);
  return rules.take_problems();
}

std::string canonical_layer_types(const ModelConfig& model) {
  if (model.layer_types.empty()) return "";
  return to_string(parse_layer_types(model.layer_types, static_cast<int>(model.num_hidden_layers)));
}

std::vector<std::string> validate(const ModelConfig& model) {
  return messages_of(check_model(model));
}

}  // namespace lckv::config
