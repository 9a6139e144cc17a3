#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/hf_files.h"
#include "lckv/checkpoint/hf_tensor_file.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// A Hugging Face folder (FORMAT.md section 3) that appears whole or not at all. Tensors are
/// declared first, then given in that order and in parts, so that of all of them only one part need
/// be in memory. TensorSet reads it back.
class HfFolderWriter {
 public:
  using Declared = SafetensorsWriter::Declared;

  /// `file_bytes`: of tensor data in one file (divide_into_files). Throws DataError when the folder
  /// exists, is not empty and may not be replaced; IoError.
  HfFolderWriter(const std::filesystem::path& folder, std::vector<Declared> tensors,
                 int64_t file_bytes, ExistingFolder existing);

  const std::vector<HfFile>& files() const { return files_; }

  /// As HfTensorFile::append(), whatever file the tensor is in.
  void append(const std::string& name, const ConstView& part);
  /// Another file by its plain name: config.json, tokenizer.model, ...
  void add_file(const std::string& name, std::string_view bytes);
  /// Call once, when every tensor was given (InternalError else). Throws IoError, DataError as the
  /// constructor.
  void commit();

 private:
  AtomicFolder folder_;
  std::vector<Declared> tensors_;
  std::vector<HfFile> files_;
  size_t next_file_ = 0;
  std::unique_ptr<HfTensorFile> open_;
};

}  // namespace lckv::checkpoint
