#include "lckv/model/parameters.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/dims.h"

namespace lckv::model {

namespace {

class TableBuilder {
 public:
  /// Starts a storage tensor of its own.
  void add(const std::string& name, const Shape& shape, Role role, int layer, Sharding sharding) {
    ++storage_;
    next_row_ = 0;
    stack(name, shape, role, layer, sharding);
  }

  /// Goes below the previous parameter, in the same storage tensor.
  void stack(const std::string& name, const Shape& shape, Role role, int layer, Sharding sharding) {
    table_.parameters.push_back(
        {name, shape, role, layer, role != Role::kNorm, sharding, storage_, next_row_});
    next_row_ += shape[0];
  }

  ParameterTable take() { return std::move(table_); }

 private:
  ParameterTable table_;
  int storage_ = -1;
  int64_t next_row_ = 0;
};

}  // namespace

ParameterTable make_parameter_table(const config::ModelConfig& config) {
  const Dims d = make_dims(config, 1, 1);
  const std::vector<LayerSpec> layers = make_layer_specs(config);
  TableBuilder table;
  table.add("model.embed_tokens.weight", {d.V, d.C}, Role::kTokenEmbedding, -1,
            Sharding::kVocabularyRows);
  for (int i = 0; i < static_cast<int>(d.L); ++i) {
    const std::string layer = format("model.layers.{}.", i);
    table.add(layer + "input_layernorm.weight", {d.C}, Role::kNorm, i, Sharding::kReplicated);
    table.add(layer + "self_attn.q_proj.weight", {d.Cq(), d.C}, Role::kQuery, i,
              Sharding::kQueryHeadRows);
    if (layers[static_cast<size_t>(i)].has_kv) {
      table.add(layer + "self_attn.k_proj.weight", {d.Ckv(), d.C}, Role::kKey, i,
                Sharding::kKeyValueHeadRows);
      table.stack(layer + "self_attn.v_proj.weight", {d.Ckv(), d.C}, Role::kValue, i,
                  Sharding::kKeyValueHeadRows);
    }
    table.add(layer + "self_attn.o_proj.weight", {d.C, d.Cq()}, Role::kOutput, i,
              Sharding::kQueryHeadColumns);
    table.add(layer + "post_attention_layernorm.weight", {d.C}, Role::kNorm, i,
              Sharding::kReplicated);
    table.add(layer + "mlp.gate_proj.weight", {d.F, d.C}, Role::kGate, i, Sharding::kMlpRows);
    table.stack(layer + "mlp.up_proj.weight", {d.F, d.C}, Role::kUp, i, Sharding::kMlpRows);
    table.add(layer + "mlp.down_proj.weight", {d.C, d.F}, Role::kDown, i, Sharding::kMlpColumns);
  }
  table.add("model.norm.weight", {d.C}, Role::kNorm, -1, Sharding::kReplicated);
  if (!config.tie_word_embeddings) {
    table.add("lm_head.weight", {d.V, d.C}, Role::kHead, -1, Sharding::kVocabularyRows);
  }
  return table.take();
}

int ParameterTable::storage_count() const {
  return parameters.empty() ? 0 : parameters.back().storage + 1;
}

int64_t ParameterTable::element_count() const {
  int64_t total = 0;
  for (const Parameter& parameter : parameters) total += parameter.shape.numel();
  return total;
}

const Parameter& ParameterTable::find(const std::string& name) const {
  const auto found = std::find_if(parameters.begin(), parameters.end(),
                                  [&](const Parameter& p) { return p.name == name; });
  LCKV_CHECK(found != parameters.end(), format("no parameter '{}'", name));
  return *found;
}

}  // namespace lckv::model
