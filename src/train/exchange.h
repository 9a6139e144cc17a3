#pragma once

#include <filesystem>

#include "lckv/checkpoint/atomic_folder.h"
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

/// Fills `to` from a Hugging Face folder or one .safetensors file, by the rules of
/// find_weight_sources(). Means are taken in double and rounded once. A config.json beside the
/// tensors says whether its embeddings are tied, and must have our heads.
///
/// Throws DataError, before anything is written, naming all tensors that are missing, or all that
/// are too many, or all of a wrong shape with expected and actual one, or the heads that differ;
/// ConfigError when config.json is not one of ours; IoError.
void import_weights(const std::filesystem::path& folder_or_file, const config::ModelConfig& config,
                    KvInit kv_init, const model::ParameterSet& to);

}  // namespace lckv::train
