#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>

namespace lckv::checkpoint {

/// A regular file open for reading at any place; may be read by several threads at once.
class InputFile {
 public:
  /// Throws IoError when it cannot be opened or is not a regular file.
  explicit InputFile(std::filesystem::path path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }
  int64_t bytes() const { return bytes_; }

  /// Bytes begin .. begin+size_bytes-1. Throws IoError, also when the file has become shorter.
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
