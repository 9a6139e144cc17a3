#pragma once

#include <string>
#include <vector>

#include "lckv/model/parameters.h"
#include "lckv/tensor/arena.h"

namespace lckv::model {

/// The tensors of one transformer block. Empty views where the layer has none.
struct LayerWeights {
  View input_norm;  // [C]
  View query;       // [Cq, C]
  View key_value;   // [2*Ckv, C], K rows above V rows; KV layers only
  View output;      // [C, Cq]
  View mlp_norm;    // [C]
  View gate_up;     // [2F, C], gate rows above up rows
  View down;        // [C, F]
};

/// One tensor for every parameter of a table: the weights, or their gradients, or an optimizer
/// moment.
class ParameterSet {
 public:
  ParameterSet(const ParameterTable& table, Arena& arena, const std::string& kind, DType dtype);

  const ParameterTable& table() const { return table_; }
  DType dtype() const { return dtype_; }
  /// Storage tensors: what the optimizer walks. Same order and shapes in every set of one table.
  const std::vector<View>& storages() const { return storages_; }
  /// One named parameter, a row range of its storage.
  View view(const Parameter& parameter) const;

  View embedding() const { return embedding_; }  // [V, C]
  View norm() const { return norm_; }            // [C]
  View head() const { return head_; }            // [V, C]; the embedding when tied
  const LayerWeights& layer(int i) const { return layers_[static_cast<size_t>(i)]; }

 private:
  ParameterTable table_;
  DType dtype_;
  std::vector<View> storages_;
  View embedding_, norm_, head_;
  std::vector<LayerWeights> layers_;
};

}  // namespace lckv::model
