#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

#include "lckv/base/error.h"

namespace lckv::checkpoint {

/// The bytes are not there: no file of the name, none that is regular, or it ends too early. After
/// any other IoError the file may be whole.
struct MissingBytes : IoError {
  using IoError::IoError;
};

/// A regular file open for reading at any place; may be read by several threads at once.
class InputFile {
 public:
  /// Throws MissingBytes when there is no such file or it is not a regular one, IoError when it
  /// cannot be opened.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int64_t bytes() const { return bytes_; }

  /// Bytes begin .. begin+size_bytes-1. Throws IoError; MissingBytes when the file has become
  /// shorter.
  void read(int64_t begin, void* to, int64_t size_bytes) const;
  /// XXH3-64 of the bytes begin .. end-1.
  uint64_t hash(int64_t begin, int64_t end) const;

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
  int64_t bytes_ = 0;
};

/// A small file as text. Throws IoError, or DataError when it has more than `limit_bytes`.
std::string read_text_file(const std::filesystem::path& path, int64_t limit_bytes);

}  // namespace lckv::checkpoint
