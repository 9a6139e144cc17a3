#pragma once

#include <filesystem>

namespace lckv::checkpoint {

/// What to do with a folder that already has the wanted name and is not empty.
enum class ExistingFolder {
  kRefuse,
  kReplace  // refused all the same when it holds sub-folders: then it is not one of ours
};

/// A folder that appears under its name with all its files or not at all: fill `building()`, then
/// commit(). The temporary is removed unless commit() succeeded.
class AtomicFolder {
 public:
  /// Creates `<path>.tmp`, and the folders above it when missing; one left by a killed run is
  /// removed first. Throws DataError when the existing folder is refused, IoError when the disk
  /// refuses.
  AtomicFolder(const std::filesystem::path& path, ExistingFolder existing);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// The folder to write into.
  const std::filesystem::path& building() const { return building_; }
  /// The final name, absolute.
  const std::filesystem::path& path() const { return path_; }

  /// Call once, when every file in it has been synced. Throws IoError; when that happens after the
  /// rename, the new folder stands, whole.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path building_;
  ExistingFolder existing_;
  bool committed_ = false;
};

/// Removes a folder so that no half-removed one is ever seen under its name. Throws IoError.
void remove_folder(const std::filesystem::path& folder);

}  // namespace lckv::checkpoint
