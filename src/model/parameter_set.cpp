#include "lckv/model/parameter_set.h"

#include <algorithm>

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

/// Shape of the storage that begins with parameters[first]: its own, and the rows stacked below it.
Shape storage_shape(const ParameterTable& table, size_t first) {
  const Shape& top = table.parameters[first].shape;
  if (top.rank() == 1) return top;
  int64_t rows = 0;
  for (size_t p = first; p < table.parameters.size() &&
                         table.parameters[p].storage == table.parameters[first].storage;
       ++p) {
    rows += table.parameters[p].shape[0];
  }
  return {rows, top[1]};
}

}  // namespace

ParameterSet::ParameterSet(const ParameterTable& table, Arena& arena, const std::string& kind,
                           DType dtype)
    : table_(table), dtype_(dtype) {
  int layers = 0;
  for (const Parameter& parameter : table_.parameters)
    layers = std::max(layers, parameter.layer + 1);
  layers_.resize(static_cast<size_t>(layers));
  for (size_t p = 0; p < table_.parameters.size(); ++p) {
    const Parameter& parameter = table_.parameters[p];
    if (parameter.first_row == 0) {
      storages_.push_back(
          arena.take(kind, kind + "/" + parameter.name, dtype, storage_shape(table_, p)));
    }
    const View& storage = storages_.back();
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
  return storage.slice(0, parameter.first_row, parameter.first_row + parameter.shape[0]);
}

}  // namespace lckv::model
