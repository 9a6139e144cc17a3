#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"
#include "lckv/model/hf_names.h"
#include "lckv/model/parameter_set.h"
#include "lckv/train/hf_tokenizer.h"

namespace lckv::train {

using model::KvInit;

/// Writes a Hugging Face folder, whole or not at all: config.json, model.safetensors with the names
/// of the parameter table, tokenizer_config.json and, for a SentencePiece tokenizer,
/// tokenizer.model. A plain Llama becomes one that other programs know.
///
/// `weights` are rounded once to `stored`, F32 or BF16. BOS and EOS ids that the config leaves open
/// come from the tokenizer. Throws ConfigError when the tokenizer has more tokens than the model or
/// other BOS, EOS ids than the config; DataError when the folder exists and may not be replaced;
/// IoError.
void export_hf(const std::filesystem::path& folder, const config::ModelConfig& config,
               const model::ParameterSet& weights, DType stored, const data::Tokenizer& tokenizer,
               checkpoint::ExistingFolder existing);

/// The weights of a Hugging Face folder or one .safetensors file as the parameters of a model, by
/// the rules of find_weight_sources(). Means are taken in double and rounded once. A config.json
/// beside the tensors says whether its embeddings are tied, and must have our heads.
class WeightReader {
 public:
  /// Throws DataError naming all tensors that are missing, or all that are too many, or all of a
  /// wrong shape with expected and actual one, or the heads that differ; ConfigError when
  /// config.json is not one of ours; IoError.
  WeightReader(const std::filesystem::path& folder_or_file, const config::ModelConfig& config,
               KvInit kv_init);

  /// Fills a rank's part of a parameter, of its `local` shape, but for padding rows. Reads that
  /// part alone.
  void read(const model::Parameter& parameter, View local) const;

 private:
  checkpoint::TensorSet tensors_;
  std::map<std::string, std::vector<std::string>> sources_;  // by parameter
};

/// Every parameter of a set, after all checks.
void import_weights(const std::filesystem::path& folder_or_file, const config::ModelConfig& config,
                    KvInit kv_init, const model::ParameterSet& to);

}  // namespace lckv::train
