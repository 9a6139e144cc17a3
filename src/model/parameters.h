#pragma once

#include <string>
#include <vector>

#include "lckv/config/model.h"
#include "lckv/model/layer_spec.h"
#include "lckv/tensor/shape.h"

namespace lckv::model {

enum class Role { kTokenEmbedding, kNorm, kQuery, kKey, kValue, kOutput, kGate, kUp, kDown, kHead };

/// How a parameter is divided among tensor-parallel ranks.
enum class Sharding {
  kReplicated,
  kVocabularyRows,    // rows [V/tp, C]
  kQueryHeadRows,     // rows of this rank's query heads
  kKeyValueHeadRows,  // rows of this rank's key/value heads, or of the head it shares when tp > Hkv
  kMlpRows,           // rows [F/tp, C]
  kQueryHeadColumns,  // columns of this rank's query heads
  kMlpColumns,        // columns [C, F/tp]
};

/// One row of the parameter table.
struct Parameter {
  std::string name;  // Hugging Face's name, spec/lckv.md 9.1
  Shape shape;       // whole, [out, in] for matrices
  Role role;
  int layer = -1;       // -1 outside the layers
  bool decays = false;  // weight decay: matrices yes, norm gains no
  Sharding sharding = Sharding::kReplicated;
  // tensor that holds it; K beside V and gate beside up share one, stacked by rows
  int storage = 0;
  int64_t first_row = 0;  // where it begins there
};

/// The one list of a model's parameters: read by init, optimizer, saved states and export alike.
/// Order: embedding, layers bottom to top, norm, head (absent when tied). k_proj and v_proj exist
/// for KV layers only.
struct ParameterTable {
  std::vector<Parameter> parameters;

  int storage_count() const;
  int64_t element_count() const;
  /// Throws InternalError when there is none.
  const Parameter& find(const std::string& name) const;
};

ParameterTable make_parameter_table(const config::ModelConfig& config);

}  // namespace lckv::model
