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

/// A rank's place among those that share the parameters.
struct ParameterShare {
  int tp = 1;
  int tp_rank = 0;
  int dp = 1;  // ranks among which each bucket is divided (ZeRO-1)
};

/// One row of the parameter table.
struct Parameter {
  std::string name;  // Hugging Face's name, spec/lckv.md 9.1
  Shape shape;       // whole, [out, in] for matrices
  Role role = Role::kNorm;
  int layer = -1;       // -1 outside the layers
  bool decays = false;  // weight decay: matrices yes, norm gains no
  Sharding sharding = Sharding::kReplicated;
  // tensor that holds it; K beside V and gate beside up share one, stacked by rows
  int storage = 0;
  int64_t first_row = 0;  // where it begins there

  // This rank's part: elements begin .. begin + extent - 1 of `axis` of the whole. `local` is what
  // is stored; rows beyond extent are padding (vocabulary), zero for ever.
  Shape local;
  int axis = 0;
  int64_t begin = 0;
  int64_t extent = 0;
  // The first of the ranks that hold the same elements: sums over the model count them there alone.
  bool counts_here = true;
};

/// A storage tensor inside its bucket.
struct Storage {
  Shape shape;  // this rank's: the local parts, stacked by rows
  int bucket = 0;
  int64_t offset_elems = 0;
};

/// Storages whose gradients become final, are reduced and updated together: the embedding, each
/// layer, the norm with the head. Contiguous, padded so that every dp rank owns an equal,
/// aligned part.
struct Bucket {
  std::string name;
  int64_t elems = 0;
};

/// The one list of a model's parameters: read by init, optimizer, saved states and export alike.
/// Order: embedding, layers bottom to top, norm, head (absent when tied). k_proj and v_proj exist
/// for KV layers only.
struct ParameterTable {
  ParameterShare share;
  std::vector<Parameter> parameters;
  std::vector<Storage> storages;
  std::vector<Bucket> buckets;  // 0: embedding; 1 + l: layer l; the last: norm and head

  int layers() const { return static_cast<int>(buckets.size()) - 2; }
  int embedding_bucket() const { return 0; }
  int layer_bucket(int layer) const { return 1 + layer; }
  int head_bucket() const { return static_cast<int>(buckets.size()) - 1; }
  const Storage& storage_of(const Parameter& parameter) const {
    return storages[static_cast<size_t>(parameter.storage)];
  }

  /// Of the whole model.
  int64_t element_count() const;
  /// Throws InternalError when there is none.
  const Parameter& find(const std::string& name) const;
};

ParameterTable make_parameter_table(const config::ModelConfig& config,
                                    const ParameterShare& share = {});

}  // namespace lckv::model
