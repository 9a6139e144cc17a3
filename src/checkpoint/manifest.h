#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/shard.h"

namespace lckv::checkpoint {

/// manifest.json of a saved state, as FORMAT.md section 1.1 describes it.
struct Manifest {
  static constexpr const char* kFileName = "manifest.json";
  static constexpr int64_t kVersion = 1;

  struct Piece {
    std::string file;
    Slice slice;
    uint64_t xxh3 = 0;
  };
  struct Tensor {
    DType dtype = DType::kF32;
    Shape global_shape;
    std::vector<Piece> pieces;
  };

  int64_t step = 0;
  std::map<std::string, FileSummary> files;
  std::map<std::string, Tensor> tensors;
  std::string trainer_json;  // an object
};

/// The text of the file, checksum included. Throws DataError when trainer_json is not a JSON
/// object.
std::string format_manifest(const Manifest& manifest);
/// Throws DataError starting with `file` when the checksum, format or version is wrong.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);
/// That of a state's folder; IoError when it cannot be read.
Manifest read_manifest(const std::filesystem::path& state_folder);

/// A hash as the manifest and messages spell it: 16 hexadecimal digits.
std::string hash_digits(uint64_t hash);

}  // namespace lckv::checkpoint
