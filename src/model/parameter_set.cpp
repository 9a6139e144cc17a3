#include "lckv/model/parameter_set.h"

#include "lckv/base/error.h"

namespace lckv::model {

namespace {

View& member(LayerWeights& layer, const Parameter& parameter) {
  const bool is_input_norm = parameter.name.find("input_layernorm") != std::string::npos;
  switch (parameter.role) {
    case Role::kNorm:
      return is_input_norm ? layer.input_norm : layer.mlp_norm;
    case Role::kQuery:
      return layer.query;
    case Role::kKey:
    case Role::kValue:
      return layer.key_value;
    case Role::kOutput:
      return layer.output;
    case Role::kGate:
    case Role::kUp:
      return layer.gate_up;
    case Role::kDown:
      return layer.down;
    default:
      throw InternalError("'" + parameter.name + "' is not inside a layer");
  }
}

std::vector<View> take_flat(const ParameterTable& table, Arena& arena, const std::string& kind,
                            DType dtype, int64_t parts) {
  std::vector<View> flat;
  for (const Bucket& bucket : table.buckets) {
    flat.push_back(arena.take(kind, kind + "/" + bucket.name, dtype, {bucket.elems / parts}));
  }
  return flat;
}

}  // namespace

ParameterSet::ParameterSet(const ParameterTable& table, Arena& arena, const std::string& kind,
                           DType dtype)
    : ParameterSet(table, take_flat(table, arena, kind, dtype, 1)) {}

ParameterSet::ParameterSet(const ParameterTable& table, std::vector<View> buckets)
    : table_(table), dtype_(buckets.front().dtype()), buckets_(std::move(buckets)) {
  cut_views();
}

void ParameterSet::cut_views() {
  for (const Storage& storage : table_.storages) {
    const View bucket = buckets_[static_cast<size_t>(storage.bucket)];
    const int64_t end = storage.offset_elems + storage.shape.numel();
    storages_.push_back(bucket.slice(0, storage.offset_elems, end).reshape(storage.shape));
  }
  layers_.resize(static_cast<size_t>(table_.layers()));
  for (const Parameter& parameter : table_.parameters) {
    const View& storage = storages_[static_cast<size_t>(parameter.storage)];
    if (parameter.layer >= 0) {
      member(layers_[static_cast<size_t>(parameter.layer)], parameter) = storage;
    } else if (parameter.role == Role::kTokenEmbedding) {
      embedding_ = storage;
    } else if (parameter.role == Role::kNorm) {
      norm_ = storage;
    } else {
      head_ = storage;
    }
  }
  if (!head_) head_ = embedding_;
}

View ParameterSet::view(const Parameter& parameter) const {
  const View& storage = storages_[static_cast<size_t>(parameter.storage)];
  return storage.slice(0, parameter.first_row, parameter.first_row + parameter.local[0]);
}

OwnedSet::OwnedSet(const ParameterTable& table, Arena& arena, const std::string& kind, DType dtype)
    : parts_(take_flat(table, arena, kind, dtype, table.share.dp)) {
  if (table.share.dp == 1) whole_.emplace(table, parts_);
}

const ParameterSet& OwnedSet::whole() const {
  LCKV_CHECK(whole_.has_value(), "one of several dp ranks holds no whole parameters");
  return *whole_;
}

View owned_part(const View& bucket, const ParameterTable& table, int dp_rank) {
  const int64_t elems = bucket.numel() / table.share.dp;
  return bucket.slice(0, dp_rank * elems, (dp_rank + 1) * elems);
}

View cut_parameter(const View& bucket, const ParameterTable& table, const Parameter& parameter) {
  const Storage& storage = table.storage_of(parameter);
  const int64_t begin =
      storage.offset_elems + parameter.first_row * parameter.local.numel() / parameter.local[0];
  return bucket.slice(0, begin, begin + parameter.local.numel()).reshape(parameter.local);
}

}  // namespace lckv::model
