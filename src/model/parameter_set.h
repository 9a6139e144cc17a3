#pragma once

#include <optional>
#include <string>
#include <vector>

#include "lckv/model/parameters.h"
#include "lckv/tensor/arena.h"

namespace lckv::model {

/// This rank's tensors of one transformer block. Empty views where the layer has none.
struct LayerWeights {
  View input_norm;  // [C]
  View query;       // [Cq_tp, C]
  View key_value;   // [2*Ckv_tp, C], K rows above V rows; KV layers only
  View output;      // [C, Cq_tp]
  View mlp_norm;    // [C]
  View gate_up;     // [2*F_tp, C], gate rows above up rows
  View down;        // [C, F_tp]
};

/// One tensor for every parameter of a table: the weights, or their gradients. Each bucket of the
/// table is one contiguous piece of memory.
class ParameterSet {
 public:
  ParameterSet(const ParameterTable& table, Arena& arena, const std::string& kind, DType dtype);
  /// Over memory that is there: one flat view [elems] per bucket.
  ParameterSet(const ParameterTable& table, std::vector<View> buckets);

  const ParameterTable& table() const { return table_; }
  DType dtype() const { return dtype_; }
  /// Flat, [elems] each, padding included: what is reduced, gathered and updated.
  const std::vector<View>& buckets() const { return buckets_; }
  /// Storage tensors, same order and shapes in every set of one table.
  const std::vector<View>& storages() const { return storages_; }
  /// This rank's part of a named parameter, of its `local` shape: a row range of its storage.
  View view(const Parameter& parameter) const;

  View embedding() const { return embedding_; }  // [V_tp, C]
  View norm() const { return norm_; }            // [C]
  View head() const { return head_; }            // [V_tp, C]; the embedding when tied
  const LayerWeights& layer(int i) const { return layers_[static_cast<size_t>(i)]; }

 private:
  void cut_views();

  ParameterTable table_;
  DType dtype_;
  std::vector<View> buckets_, storages_;
  View embedding_, norm_, head_;
  std::vector<LayerWeights> layers_;
};

/// The part of every bucket that one dp rank owns under ZeRO-1: masters and moments live there
/// alone (Rajbhandari et al. 2020, arXiv:1910.02054, stage 1).
class OwnedSet {
 public:
  OwnedSet(const ParameterTable& table, Arena& arena, const std::string& kind, DType dtype);

  /// Flat, [elems / dp] each.
  const std::vector<View>& parts() const { return parts_; }
  DType dtype() const { return parts_.front().dtype(); }
  /// The parts as parameters; where one rank owns everything (dp = 1).
  const ParameterSet& whole() const;

 private:
  std::vector<View> parts_;
  std::optional<ParameterSet> whole_;
};

/// Elements of a bucket that dp rank `dp_rank` owns.
View owned_part(const View& bucket, const ParameterTable& table, int dp_rank);
/// This rank's part of a parameter inside its bucket, of its `local` shape.
View cut_parameter(const View& bucket, const ParameterTable& table, const Parameter& parameter);

}  // namespace lckv::model
