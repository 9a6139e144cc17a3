#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lckv/config/model.h"

namespace lckv::model {

/// What becomes of the key and value projections of a model that has them in more layers than ours
/// (spec/lckv.md 9.3).
enum class KvInit {
  kExact,    // the source is a model of this layout: no projection more or less
  kCopy,     // KV layers keep their own, those of other layers are dropped
  kAverage,  // a KV layer gets the mean of those of all layers that read it
};

/// One parameter and the tensors whose arithmetic mean it becomes; mostly one, of its own name.
struct WeightSource {
  std::string parameter;
  std::vector<std::string> tensors;
};

/// How a model's parameters come out of the tensors of a Hugging Face folder.
struct WeightSources {
  std::vector<WeightSource> of;      // in the order of the parameter table
  std::vector<std::string> missing;  // needed, not there
  std::vector<std::string> extra;    // there, used by nothing, and not what kCopy drops
  /// Tensors that must hold equal values for the import to be meant: the head and the embedding
  /// that stands for it.
  std::vector<std::pair<std::string, std::string>> must_be_equal;
};

/// The rules of spec/lckv.md 9.1 and 9.3. `names`: the tensors there are.
///
/// Embeddings: where ours are tied and the source has an lm_head.weight, it must equal the
/// embedding. Where the source is known to be tied (`source_is_tied`) and ours are not, the head
/// starts as a copy of the embedding; without that knowledge a missing lm_head.weight is missing.
WeightSources find_weight_sources(const config::ModelConfig& config, KvInit kv_init,
                                  const std::set<std::string>& names, bool source_is_tied);

}  // namespace lckv::model
