#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// One .safetensors file of a Hugging Face folder: of the tensors in their order those numbered
/// begin .. end-1.
struct HfFile {
  std::string name;  // "model-00002-of-00003.safetensors"
  size_t begin = 0;
  size_t end = 0;
  bool operator==(const HfFile&) const = default;
};

/// Data of one file unless told otherwise, as the Transformers library counts: 5 GB.
inline constexpr int64_t kHfFileBytes = 5'000'000'000;

/// Divides tensors among files without changing their order: a file ends before the tensor that
/// would make its data more than `file_bytes`, so a tensor larger than that has a file of its own.
/// What fits into one file is `model.safetensors`.
std::vector<HfFile> divide_into_files(std::span<const SafetensorsWriter::Declared> tensors,
                                      int64_t file_bytes);

/// The text of model.safetensors.index.json: `metadata.total_size` in bytes of data, and
/// `weight_map` from names to files.
std::string format_hf_index(std::span<const SafetensorsWriter::Declared> tensors,
                            std::span<const HfFile> files);

}  // namespace lckv::checkpoint
