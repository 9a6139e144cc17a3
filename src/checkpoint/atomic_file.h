#pragma once

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "lckv/base/stream_hash.h"

namespace lckv::checkpoint {

/// Size and XXH3-64 of a finished file.
struct FileSummary {
  int64_t bytes = 0;
  uint64_t xxh3 = 0;
  bool operator==(const FileSummary&) const = default;
};

/// A file that appears under its name whole or not at all: written as `<name>.tmp`, then fsync,
/// rename, fsync of the folder. A file of that name is replaced. The temporary is removed unless
/// commit() succeeded.
///
/// Every function throws IoError naming the file and the text of errno.
class AtomicFile {
 public:
  explicit AtomicFile(std::filesystem::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* bytes, size_t size_bytes);
  /// Call once. When it throws after the rename (the folder cannot be synced) the new file stands,
  /// whole.
  FileSummary commit();

 private:
  void close();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int descriptor_ = -1;
  bool temporary_exists_ = false;
  int64_t bytes_ = 0;
  StreamHash hash_;
};

FileSummary write_file_atomically(const std::filesystem::path& path, std::string_view text);

}  // namespace lckv::checkpoint
