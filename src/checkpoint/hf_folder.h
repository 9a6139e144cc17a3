#pragma once

#include <filesystem>
#include <map>
#include <span>
#include <string>

#include "lckv/checkpoint/atomic_folder.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// Writes a Hugging Face folder, whole or not at all: `model.safetensors` and the other files as
/// given (config.json, tokenizer.model, ...: plain name -> bytes). TensorSet reads it back. Throws
/// DataError when the folder exists, is not empty and may not be replaced; IoError.
void write_hf_folder(const std::filesystem::path& folder, std::span<const NamedTensor> tensors,
                     const std::map<std::string, std::string>& other_files,
                     ExistingFolder existing);

}  // namespace lckv::checkpoint
