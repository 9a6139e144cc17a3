#include "lckv/model/parameters.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/dims.h"

namespace lckv::model {

namespace {

// Storages and owned parts begin at multiples of this: 128 bytes of bf16, more of wider types.
constexpr int64_t kAlignmentElems = 64;

int64_t round_up(int64_t value, int64_t unit) { return (value + unit - 1) / unit * unit; }

class TableBuilder {
 public:
  TableBuilder(const ParameterShare& share, const Dims& dims) : dims_(dims) {
    table_.share = share;
  }

  void start_bucket(const std::string& name) {
    finish_bucket();
    table_.buckets.push_back({name, 0});
  }

  /// Starts a storage tensor of its own.
  void add(const std::string& name, const Shape& shape, Role role, int layer, Sharding sharding) {
    Storage storage;
    storage.bucket = static_cast<int>(table_.buckets.size()) - 1;
    storage.offset_elems = round_up(bucket().elems, kAlignmentElems);
    bucket().elems = storage.offset_elems;
    table_.storages.push_back(storage);
    stack(name, shape, role, layer, sharding);
  }

  /// Goes below the previous parameter, in the same storage tensor.
  void stack(const std::string& name, const Shape& shape, Role role, int layer, Sharding sharding) {
    Parameter parameter;
    parameter.name = name;
    parameter.shape = shape;
    parameter.role = role;
    parameter.layer = layer;
    parameter.decays = role != Role::kNorm;
    parameter.sharding = sharding;
    parameter.storage = static_cast<int>(table_.storages.size()) - 1;
    place(parameter);
    Shape& stored = table_.storages.back().shape;
    parameter.first_row = stored.rank() > 0 ? stored[0] : 0;
    const int64_t rows = parameter.first_row + parameter.local[0];
    stored = parameter.local.rank() == 1 ? Shape{rows} : Shape{rows, parameter.local[1]};
    bucket().elems += parameter.local.numel();
    table_.parameters.push_back(parameter);
  }

  ParameterTable take() {
    finish_bucket();
    return std::move(table_);
  }

 private:
  Bucket& bucket() { return table_.buckets.back(); }

  void finish_bucket() {
    if (table_.buckets.empty()) return;
    bucket().elems = round_up(bucket().elems, kAlignmentElems * table_.share.dp);
  }

  /// This rank's part of the parameter.
  void place(Parameter& p) const {
    const int64_t rank = table_.share.tp_rank;
    p.local = p.shape;
    p.extent = p.shape[0];
    switch (p.sharding) {
      case Sharding::kReplicated:
        p.counts_here = rank == 0;
        break;
      case Sharding::kVocabularyRows:
        p.local = {dims_.V_tp(), p.shape[1]};
        p.begin = dims_.V_begin(rank);
        p.extent = dims_.V_extent(rank);
        break;
      case Sharding::kQueryHeadRows:
        split(p, 0, dims_.Cq_tp(), rank);
        break;
      case Sharding::kKeyValueHeadRows:
        split(p, 0, dims_.Ckv_tp(), rank / dims_.kv_sharers());
        p.counts_here = rank % dims_.kv_sharers() == 0;
        break;
      case Sharding::kMlpRows:
        split(p, 0, dims_.F_tp(), rank);
        break;
      case Sharding::kQueryHeadColumns:
        split(p, 1, dims_.Cq_tp(), rank);
        break;
      case Sharding::kMlpColumns:
        split(p, 1, dims_.F_tp(), rank);
        break;
    }
  }

  static void split(Parameter& p, int axis, int64_t extent, int64_t part) {
    p.axis = axis;
    p.begin = part * extent;
    p.extent = extent;
    p.local = axis == 0 ? Shape{extent, p.shape[1]} : Shape{p.shape[0], extent};
  }

  Dims dims_;
  ParameterTable table_;
};

}  // namespace

ParameterTable make_parameter_table(const config::ModelConfig& config,
                                    const ParameterShare& share) {
  Dims d = make_dims(config, 1, 1);
  d.tp = share.tp;
  require_divisible(d);
  const std::vector<LayerSpec> layers = make_layer_specs(config);
  TableBuilder table(share, d);
  table.start_bucket("embedding");
  table.add("model.embed_tokens.weight", {d.V, d.C}, Role::kTokenEmbedding, -1,
            Sharding::kVocabularyRows);
  for (int i = 0; i < static_cast<int>(d.L); ++i) {
    const std::string layer = format("model.layers.{}.", i);
    table.start_bucket(format("layer {}", i));
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
  table.start_bucket("norm and head");
  table.add("model.norm.weight", {d.C}, Role::kNorm, -1, Sharding::kReplicated);
  if (!config.tie_word_embeddings) {
    table.add("lm_head.weight", {d.V, d.C}, Role::kHead, -1, Sharding::kVocabularyRows);
  }
  return table.take();
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
