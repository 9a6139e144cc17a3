#include <algorithm>
#include <array>
#include <map>

#include "lckv/base/text.h"
#include "lckv/config/keys.h"
#include "lckv/config/layer_types.h"
#include "lckv/config/load.h"

namespace lckv::config {
namespace {

constexpr std::array kLckvFields = {"layer_types",    "forward_passes", "backward_passes",
                                    "sliding_window", "force_nodiag",   "use_sequential"};

bool is_lckv_field(const std::string& name) {
  return std::find(kLckvFields.begin(), kLckvFields.end(), name) != kLckvFields.end();
}

bool is_plain_llama(const ModelConfig& model) {
  const int layers = static_cast<int>(model.num_hidden_layers);
  return !model.force_nodiag &&
         parse_layer_types(model.layer_types, layers) == parse_layer_types("", layers);
}

/// With what other programs would have to derive.
ModelConfig resolved(ModelConfig model) {
  const int layers = static_cast<int>(model.num_hidden_layers);
  model.layer_types = to_string(parse_layer_types(model.layer_types, layers));
  if (model.num_key_value_heads == 0) model.num_key_value_heads = model.num_attention_heads;
  if (model.head_dim == 0) model.head_dim = model.hidden_size / model.num_attention_heads;
  return model;
}

}  // namespace

std::string to_hf_json(const ModelConfig& model, const std::string& torch_dtype) {
  const bool plain = is_plain_llama(model);
  std::map<std::string, std::string> fields = {
      {"architectures", plain ? "[\"LlamaForCausalLM\"]" : "[\"LCKVLlamaForCausalLM\"]"},
      {"attention_bias", "false"},
      {"attention_dropout", "0.0"},
      {"hidden_act", "\"silu\""},
      {"mlp_bias", "false"},
      {"model_type", plain ? "\"llama\"" : "\"lckv-llama\""},
      {"rope_scaling", "null"},
      {"torch_dtype", quoted(torch_dtype)},
  };
  ModelConfig values = resolved(model);
  for (const Key& key : keys_of(values)) {
    const std::string name = name_of(key.path);
    if (name == "from" || (plain && is_lckv_field(name))) continue;
    fields[name] = value_text(key);
  }
  std::string json;
  for (const auto& [name, value] : fields) {
    json += format("{}  {}: {}", json.empty() ? "{\n" : ",\n", quoted(name), value);
  }
  return json + "\n}\n";
}

}  // namespace lckv::config
