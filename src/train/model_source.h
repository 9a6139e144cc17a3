#pragma once

#include <filesystem>
#include <memory>

#include "lckv/comm/communicators.h"
#include "lckv/comm/world.h"
#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"
#include "lckv/model/parameter_set.h"
#include "lckv/train/exchange.h"

namespace lckv::train {

/// A model's weights with the memory they live in.
struct LoadedWeights {
  LoadedWeights(const model::ParameterTable& table, DType dtype, Device device = {});

  Arena arena;
  model::ParameterSet weights;
};

/// Where a trained model is read from: a run's folder (its newest whole state), one state's folder,
/// or a Hugging Face folder.
class ModelSource {
 public:
  /// Finds out which of the three `path` is. Throws IoError or DataError naming what is missing.
  static ModelSource open(const std::filesystem::path& path);
  /// Collective: the same place on every rank. Each finds out what `path` is; they verify saved
  /// states together. What only some ranks meet is thrown on all; Interrupted when a stop signal
  /// has come.
  static ModelSource open(comm::World& world, const std::filesystem::path& path);

  const config::ModelConfig& config() const { return config_; }
  /// T the model was trained with; max_position_embeddings of a Hugging Face folder.
  int64_t sequence_tokens() const { return sequence_tokens_; }
  bool document_mask() const { return document_mask_; }
  /// "runs/quickstart/step-00000500", "model folder x": for messages and results.
  std::string describe() const { return weights_path_.string(); }

  /// Every parameter, this rank's share of it (padding rows zero), converted to `dtype`; no other
  /// part is read. Not collective. Throws DataError or IoError as the reader of the place does.
  LoadedWeights load(DType dtype, const comm::Communicators& ranks = comm::single_process(),
                     Device device = {}) const;

  /// For reading the weights part by part; not collective, one thread at a time.
  ReadPart open_weights() const;

  /// The tokenizer the model was trained with: of its training store, or of the folder. Throws
  /// DataError when there is none.
  std::shared_ptr<const data::Tokenizer> tokenizer() const;
  /// False for folders without one, and for runs whose training store is gone.
  bool has_tokenizer() const;

 private:
  static ModelSource look_at(const std::filesystem::path& given);
  void choose_state(comm::Communicator& group);
  void read_weights(const model::ParameterSet& to) const;

  config::ModelConfig config_;
  int64_t sequence_tokens_ = 0;
  bool document_mask_ = false;
  bool is_state_ = false;
  // state folder or Hugging Face folder; the run's folder before choose_state()
  std::filesystem::path weights_path_;
  std::string tokenizer_spec_;
};

}  // namespace lckv::train
