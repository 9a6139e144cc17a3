#include "lckv/model/hf_names.h"

#include <algorithm>
#include <iterator>

#include "lckv/base/text.h"
#include "lckv/model/layer_spec.h"
#include "lckv/model/parameters.h"

namespace lckv::model {

namespace {

constexpr const char* kEmbeddingName = "model.embed_tokens.weight";
constexpr const char* kHeadName = "lm_head.weight";

std::string projection_name(int layer, Role role) {
  return format("model.layers.{}.self_attn.{}_proj.weight", layer, role == Role::kKey ? 'k' : 'v');
}

/// The projections of every layer that reads layer `j`, bottom to top.
std::vector<std::string> reader_projections(const std::vector<LayerSpec>& layers, int j,
                                            Role role) {
  std::vector<std::string> names;
  for (int i = 0; i < static_cast<int>(layers.size()); ++i) {
    if (layers[static_cast<size_t>(i)].reads == j) names.push_back(projection_name(i, role));
  }
  return names;
}

/// Of every layer of a plain Llama: those that no KV layer takes are what kCopy may drop.
std::set<std::string> all_projections(int64_t layers) {
  std::set<std::string> names;
  for (int i = 0; i < static_cast<int>(layers); ++i) {
    names.insert(projection_name(i, Role::kKey));
    names.insert(projection_name(i, Role::kValue));
  }
  return names;
}

bool is_key_or_value(const Parameter& parameter) {
  return parameter.role == Role::kKey || parameter.role == Role::kValue;
}

}  // namespace

WeightSources find_weight_sources(const config::ModelConfig& config, KvInit kv_init,
                                  const std::set<std::string>& names, bool source_is_tied) {
  const std::vector<LayerSpec> layers = make_layer_specs(config);
  WeightSources sources;
  for (const Parameter& parameter : make_parameter_table(config).parameters) {
    std::vector<std::string> tensors = {parameter.name};
    if (kv_init == KvInit::kAverage && is_key_or_value(parameter)) {
      tensors = reader_projections(layers, parameter.layer, parameter.role);
    } else if (parameter.role == Role::kHead && source_is_tied && !names.contains(kHeadName)) {
      tensors = {kEmbeddingName};
    }
    sources.of.push_back({parameter.name, std::move(tensors)});
  }

  std::set<std::string> used;
  for (const WeightSource& source : sources.of) {
    for (const std::string& tensor : source.tensors) {
      if (!names.contains(tensor) && !used.contains(tensor)) sources.missing.push_back(tensor);
      used.insert(tensor);
    }
  }
  if (config.tie_word_embeddings && names.contains(kHeadName)) {
    sources.must_be_equal.emplace_back(kHeadName, kEmbeddingName);
    used.insert(kHeadName);
  }
  if (kv_init == KvInit::kCopy) used.merge(all_projections(config.num_hidden_layers));
  std::set_difference(names.begin(), names.end(), used.begin(), used.end(),
                      std::back_inserter(sources.extra));
  return sources;
}

}  // namespace lckv::model
