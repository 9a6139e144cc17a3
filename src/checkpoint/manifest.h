#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/checkpoint/atomic_file.h"
#include "lckv/checkpoint/shard.h"

namespace lckv::checkpoint {

/// manifest.json of a saved state, as FORMAT.md section 1.1 describes it.
struct Manifest {
  static constexpr const char* kFileName = "manifest.json";
  static constexpr int64_t kVersion = 2;

  struct Piece {
    std::string file;
    int64_t offset = 0;  // of its first byte in the file
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

/// A manifest that is whole, but of another version of the format than this program reads.
struct OtherFormatVersion : DataError {
  using DataError::DataError;
};

/// The text of the file, checksum included. Throws DataError when trainer_json is not a JSON
/// object.
std::string format_manifest(const Manifest& manifest);
/// Throws DataError starting with `file` when the checksum, format or version is wrong (then
/// OtherFormatVersion), or a piece is not what FORMAT.md 1.3 asks for.
Manifest parse_manifest(const std::string& text, const std::filesystem::path& file);
/// What one rank wrote, on its way to the one that writes the manifest: files and tensors alone.
std::string format_manifest_part(const Manifest& part);
Manifest parse_manifest_part(const std::string& text);
/// That of a state's folder. Throws IoError when it cannot be read, DataError as parse_manifest()
/// and when its step is not the one that the folder's name tells.
Manifest read_manifest(const std::filesystem::path& state_folder);

/// The name of a piece inside its file: the tensor's, with the slice unless that is all of it.
std::string piece_name(const std::string& tensor, const Shape& global_shape, const Slice& slice);
/// Throws DataError starting with `place` when pieces of a tensor overlap, reach outside of it or
/// do not cover it, lie outside of their file, or share bytes there.
void require_covered(const Manifest& manifest, const std::string& place);

/// A hash as the manifest and messages spell it: 16 hexadecimal digits.
std::string hash_digits(uint64_t hash);

}  // namespace lckv::checkpoint
