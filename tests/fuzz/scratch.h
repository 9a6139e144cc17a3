#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "lckv/base/text.h"

namespace lckv::fuzz {

/// A regular file without a name on any disk; readers open it by path().
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("lckv_fuzz", 0)) {
    require(descriptor_ >= 0, "memfd_create succeeds");
  }
  /// With a name that inputs can know.
  explicit MemoryFile(int descriptor) : descriptor_(descriptor) {
    const int any = ::memfd_create("lckv_fuzz", 0);
    require(::dup2(any, descriptor) == descriptor, "the descriptor can be had");
    ::close(any);
  }
  ~MemoryFile() { ::close(descriptor_); }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  std::string path() const { return format("/proc/self/fd/{}", descriptor_); }

  /// `bytes` and nothing else.
  void put(std::string_view bytes) const {
    const auto size = static_cast<ssize_t>(bytes.size());
    const bool written = ::ftruncate(descriptor_, 0) == 0 &&
                         ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) == size;
    require(written, "a file in memory can be written");
  }

 private:
  int descriptor_;
};

/// An empty folder, removed with all in it; in $TMPDIR, which tools/fuzz.sh puts into memory.
class ScratchFolder {
 public:
  ScratchFolder() {
    std::string name = (std::filesystem::temp_directory_path() / "lckv_fuzz_XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "a temporary folder can be made");
    path_ = name;
  }
  ~ScratchFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  ScratchFolder(const ScratchFolder&) = delete;
  ScratchFolder& operator=(const ScratchFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }

  void put(const std::string& name, std::string_view bytes) const {
    const std::string path = (path_ / name).string();
    const int descriptor = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    const auto written = ::write(descriptor, bytes.data(), bytes.size());
    ::close(descriptor);
    require(written == static_cast<ssize_t>(bytes.size()), "a temporary file can be written");
  }

 private:
  std::filesystem::path path_;
};

}  // namespace lckv::fuzz
