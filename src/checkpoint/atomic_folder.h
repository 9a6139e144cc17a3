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
  /// removed first, and restore_replaced() is called. Throws DataError when the existing folder is
  /// refused, IoError when the disk refuses.
  AtomicFolder(const std::filesystem::path& path, ExistingFolder existing);
  ~AtomicFolder();
  AtomicFolder(const AtomicFolder&) = delete;
  AtomicFolder& operator=(const AtomicFolder&) = delete;

  /// Where a folder of this name is built: for ranks that write into what another one made.
  static std::filesystem::path building_path(const std::filesystem::path& path);
  /// The folder to write into.
  const std::filesystem::path& building() const { return building_; }
  /// The final name, absolute.
  const std::filesystem::path& path() const { return path_; }

  /// Call once, when every file in it has been synced. Throws IoError; when that happens after the
  /// rename (the folder above cannot be synced), the new folder stands, whole, and the old one
  /// beside it at building_path() or replaced_path(): a power cut may still give that its name
  /// back. The next writer removes it. What cannot be removed of the old one stays there too, with
  /// a warning.
  void commit();

 private:
  std::filesystem::path path_;
  std::filesystem::path building_;
  ExistingFolder existing_;
  bool committed_ = false;
};

/// Where a folder stands, whole, while its successor takes its name on a file system that cannot
/// exchange two names in one step. A kill may leave it there, with nobody under its name.
std::filesystem::path replaced_path(const std::filesystem::path& path);
/// Gives such a folder its name back; one whose successor stands is removed. Throws IoError.
void restore_replaced(const std::filesystem::path& path);

/// Removes a folder so that no half-removed one is ever seen under its name. Throws IoError.
void remove_folder(const std::filesystem::path& folder);

}  // namespace lckv::checkpoint
