#pragma once

#include <filesystem>
#include <memory>

#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"
#include "lckv/model/parameter_set.h"

namespace lckv::train {

/// A model's weights with the memory they live in.
struct LoadedWeights {
  LoadedWeights(const model::ParameterTable& table, DType dtype);

  Arena arena;
  model::ParameterSet weights;
};

/// Where a trained model is read from: a run's folder (its newest whole state), one state's folder,
/// or a Hugging Face folder.
class ModelSource {
 public:
  /// Finds out which of the three `path` is. Throws IoError or DataError naming what is missing.
  static ModelSource open(const std::filesystem::path& path);

  const config::ModelConfig& config() const { return config_; }
  /// T the model was trained with; max_position_embeddings of a Hugging Face folder.
  int64_t sequence_tokens() const { return sequence_tokens_; }
  bool document_mask() const { return document_mask_; }
  /// "runs/quickstart/step-00000500", "model folder x": for messages and results.
  std::string describe() const { return weights_path_.string(); }

  /// Every parameter, converted to `dtype`. Throws DataError or IoError as the reader of the place
  /// does.
  LoadedWeights load(DType dtype) const;

  /// The tokenizer the model was trained with: of its training store, or of the folder. Throws
  /// DataError when there is none.
  std::shared_ptr<const data::Tokenizer> tokenizer() const;
  /// False for folders without one, and for runs whose training store is gone.
  bool has_tokenizer() const;

 private:
  void read_weights(const model::ParameterSet& to) const;

  config::ModelConfig config_;
  int64_t sequence_tokens_ = 0;
  bool document_mask_ = false;
  bool is_state_ = false;
  std::filesystem::path weights_path_;  // state folder or Hugging Face folder
  std::string tokenizer_spec_;
};

}  // namespace lckv::train
