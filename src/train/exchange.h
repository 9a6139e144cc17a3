#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/hf_files.h"
#include "lckv/checkpoint/tensor_set.h"
#include "lckv/config/model.h"
#include "lckv/data/tokenizer.h"
#include "lckv/model/hf_names.h"
#include "lckv/model/parameter_set.h"
#include "lckv/train/hf_tokenizer.h"

namespace lckv::train {

using model::KvInit;

/// Fills `to` with a part of a parameter: elements part.begin .. part.begin + part.extent - 1 of
/// axis part.axis, rounded once to to.dtype(). `to` is of the shape part.local, in host memory.
using ReadPart = std::function<void(const model::Parameter& part, const View& to)>;

/// Whether a folder has a config.json, which a run's folder and a saved state do not.
bool is_hf_folder(const std::filesystem::path& folder);

/// How a Hugging Face folder is written.
struct HfOptions {
  DType stored = DType::kBF16;  // or F32
  int64_t file_bytes = checkpoint::kHfFileBytes;
  checkpoint::ExistingFolder existing = checkpoint::ExistingFolder::kRefuse;
  const std::atomic<bool>* stop = nullptr;  // looked at between parts
};

/// What was written.
struct HfWritten {
  int64_t elems = 0;
  int64_t files = 0;  // of tensors
};

/// Writes a Hugging Face folder, whole or not at all: config.json, the tensors of the parameter
/// table under their names, and `other_files`. A plain Llama becomes one that other programs know.
///
/// Reads some rows of a tensor, writes them, reads the next: some 20 MB are in memory, whatever the
/// model's size. Throws DataError when the folder exists and may not be replaced; IoError;
/// Interrupted when `stop` becomes true; what `read` throws.
HfWritten write_hf_model(const std::filesystem::path& folder, const config::ModelConfig& config,
                         const ReadPart& read, const HfFiles& other_files,
                         const HfOptions& options);

/// The same with weights in memory, and the files of a tokenizer (hf_tokenizer_files).
void export_hf(const std::filesystem::path& folder, const config::ModelConfig& config,
               const model::ParameterSet& weights, DType stored, const data::Tokenizer& tokenizer,
               checkpoint::ExistingFolder existing);

/// The weights of a Hugging Face folder or one .safetensors file as the parameters of a model, by
/// the rules of find_weight_sources(). Means are taken in double and rounded once. A config.json
/// beside the tensors says whether its embeddings are tied, and must have our heads. The tables of
/// rotary frequencies that old files hold (`rotary_emb.inv_freq`) are no weights and left alone.
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

  /// Tensors by the parameter that becomes their mean; mostly one, of its own name.
  const std::map<std::string, std::vector<std::string>>& sources() const { return sources_; }
  /// Tensors that no parameter is made of: projections that kCopy drops, a head that equals the
  /// embedding, tables of frequencies.
  std::vector<std::string> unused() const;
  /// The type in which to store what is read without losing anything, as far as BF16 and F32 go:
  /// BF16 when all tensors are, else F32.
  DType stored_dtype() const;

 private:
  checkpoint::TensorSet tensors_;
  std::map<std::string, std::vector<std::string>> sources_;  // by parameter
};

}  // namespace lckv::train
