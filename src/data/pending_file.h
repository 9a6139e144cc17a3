#pragma once

#include <string>

namespace lckv::data {

/// A file that gets its name when it is complete. Write to temporary_path(), close, then commit();
/// otherwise the destructor removes it.
class PendingFile {
 public:
  /// Throws IoError when the folder does not exist or cannot be written.
  explicit PendingFile(std::string path);
  ~PendingFile();
  PendingFile(const PendingFile&) = delete;
  PendingFile& operator=(const PendingFile&) = delete;

  const std::string& path() const { return path_; }
  const std::string& temporary_path() const { return temporary_path_; }

  /// fsync of the file, rename over `path`, fsync of the folder. Throws IoError.
  void commit();

 private:
  std::string path_;
  std::string temporary_path_;
  bool committed_ = false;
};

}  // namespace lckv::data
