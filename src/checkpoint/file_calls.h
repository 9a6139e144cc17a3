#pragma once

#include <filesystem>
#include <functional>
#include <string_view>

#include <sys/types.h>

namespace lckv::checkpoint {

/// Asked before every system call of this module that changes the disk, with its name: "create",
/// "write", "fsync", "close", "rename", "exchange", "mkdir", "unlink", "rmdir". Returns 0 to let it
/// happen, or an errno for it to fail with. It may also end the process, which is how tests show
/// that a kill at any moment leaves a loadable run.
using FileCallHook = std::function<int(std::string_view call)>;

/// Installs a hook for its lifetime; for tests, before any thread writes files.
class ScopedFileCallHook {
 public:
  explicit ScopedFileCallHook(FileCallHook hook);
  ~ScopedFileCallHook();
  ScopedFileCallHook(const ScopedFileCallHook&) = delete;
  ScopedFileCallHook& operator=(const ScopedFileCallHook&) = delete;

 private:
  FileCallHook previous_;
};

/// The system calls themselves, with their return values and errno; repeated on EINTR.
namespace file_calls {

/// For writing, emptied when it exists.
int create(const std::filesystem::path& path);
ssize_t write(int descriptor, const void* bytes, size_t size_bytes);
int fsync(int descriptor);
/// The descriptor is gone, whatever it returns.
int close(int descriptor);
int rename(const std::filesystem::path& from, const std::filesystem::path& to);
/// The two names change places in one step; fails with EINVAL, ENOSYS or EOPNOTSUPP where the file
/// system cannot.
int exchange(const std::filesystem::path& a, const std::filesystem::path& b);
int mkdir(const std::filesystem::path& path);
int unlink(const std::filesystem::path& path);
int rmdir(const std::filesystem::path& path);

}  // namespace file_calls

/// Throws IoError "<path>: cannot <action>: <text of errno>".
[[noreturn]] void throw_io_error(const std::filesystem::path& path, std::string_view action,
                                 int error_number);

/// Removes a folder and all in it, a manifest first; what is gone already is no error. Throws
/// IoError.
void remove_tree(const std::filesystem::path& path);
/// The same, where what stays harms nobody: a file that somebody reads cannot be removed on some
/// network file systems. log_warning instead of an exception.
void remove_tree_or_warn(const std::filesystem::path& path);

/// Makes a finished rename in `folder` survive a power cut. Throws IoError.
void sync_folder(const std::filesystem::path& folder);

}  // namespace lckv::checkpoint
