#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>

#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {

/// A saved state open for reading, whatever grid wrote it: tensors as the model names them, put
/// together from the pieces of many files. Reads only the bytes that are asked for. One thread at a
/// time.
class StateReader {
 public:
  /// Reads the manifest alone; files are opened when a piece of them is needed. Throws DataError
  /// for what FORMAT.md 1.3 refuses in a manifest, holes between pieces included; IoError.
  explicit StateReader(const std::filesystem::path& state_folder);

  const std::filesystem::path& path() const { return path_; }
  int64_t step() const { return manifest_.step; }
  const std::string& trainer_state_json() const { return manifest_.trainer_json; }
  /// Global tensors, all kinds, by name.
  const std::map<std::string, Manifest::Tensor>& tensors() const { return manifest_.tensors; }
  bool contains(const std::string& tensor) const { return manifest_.tensors.contains(tensor); }
  /// dtype and global shape. Throws DataError when there is no such tensor.
  TensorInfo info(const std::string& tensor) const;

  /// The elements of `slice`.
  ///
  ///   to   out   of the slice's shape, host memory, contiguous; converted when its dtype is
  ///              another floating one than the saved
  ///
  /// A piece that lies in the slice whole is compared with its checksum; `to` is unspecified when
  /// that fails. Throws DataError naming file and tensor; IoError.
  void read(const std::string& tensor, const Slice& slice, const View& to);

  /// Of tensor data, by read() so far.
  int64_t read_bytes() const { return read_bytes_; }

 private:
  const SafetensorsFile& file(const std::string& name);
  void require_as_listed(const std::string& tensor, const Manifest::Piece& piece,
                         const SafetensorsFile& from) const;
  void read_piece(const std::string& tensor, const Manifest::Piece& piece, const Slice& slice,
                  const View& to);

  std::filesystem::path path_;
  Manifest manifest_;
  std::map<std::string, SafetensorsFile> files_;
  int64_t read_bytes_ = 0;
};

}  // namespace lckv::checkpoint
