#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace lckv::data {

/// The bytes of one file, decompressed when its name ends in .gz or .zst.
class ByteReader {
 public:
  virtual ~ByteReader() = default;

  /// Fills up to `capacity` bytes; 0 at the end. Throws IoError, or DataError when a compressed
  /// file is damaged or cut off.
  virtual size_t read(char* out, size_t capacity) = 0;

  /// How far reading has come in the file on disk.
  virtual int64_t position_bytes() const = 0;
};

/// Throws IoError when the file cannot be opened.
std::unique_ptr<ByteReader> open_byte_reader(const std::string& path);

}  // namespace lckv::data
