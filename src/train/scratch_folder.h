#pragma once

#include <filesystem>
#include <vector>

namespace lckv::train {

/// A folder for what a measurement writes. In the end it is gone with everything in it, and so are
/// folders above it that had to be made, unless somebody else put something there meanwhile. One
/// that was there before stays, empty.
class ScratchFolder {
 public:
  /// `folder`: made unless it is there and empty. "": one with a name of its own in `parent`.
  /// Throws DataError when it is not empty, or not a folder; IoError.
  ScratchFolder(const std::filesystem::path& folder, const std::filesystem::path& parent);
  /// Names what cannot be removed by log_warning.
  ~ScratchFolder();
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

 private:
  ScratchFolder() = default;
  void make(const std::filesystem::path& folder);
  void make_with_own_name(const std::filesystem::path& parent);

  std::filesystem::path path_;               // "" until it is ours to empty
  std::vector<std::filesystem::path> made_;  // outermost first
};

}  // namespace lckv::train
