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

  /// The three steps below, one after the other. Throws IoError.
  void commit();

  /// fsync of the file. What can still fail afterwards is the rename.
  void finish();
  /// Rename over `path`.
  void publish();
  /// fsync of the folder: the name survives a power cut.
  void settle();

 private:
  std::string path_;
  std::string temporary_path_;
  bool published_ = false;
};

}  // namespace lckv::data
