#include "lckv/checkpoint/file_calls.h"

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::checkpoint {

namespace {

FileCallHook& installed_hook() {
  static FileCallHook hook;
  return hook;
}

/// Asks the hook, then repeats `call` while a signal interrupts it.
template <class F>
auto guarded(std::string_view name, F call) -> decltype(call()) {
  const FileCallHook& hook = installed_hook();
  if (const int error_number = hook ? hook(name) : 0; error_number != 0) {
    errno = error_number;
    return -1;
  }
  for (;;) {
    const auto result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace

ScopedFileCallHook::ScopedFileCallHook(FileCallHook hook)
    : previous_(std::exchange(installed_hook(), std::move(hook))) {}
ScopedFileCallHook::~ScopedFileCallHook() { installed_hook() = std::move(previous_); }

int file_calls::create(const std::filesystem::path& path) {
  return guarded("create", [&] {
    return ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  });
}

ssize_t file_calls::write(int descriptor, const void* bytes, size_t size_bytes) {
  return guarded("write", [&] { return ::write(descriptor, bytes, size_bytes); });
}

int file_calls::fsync(int descriptor) {
  return guarded("fsync", [&] { return ::fsync(descriptor); });
}

int file_calls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return guarded("rename", [&] { return ::rename(from.c_str(), to.c_str()); });
}

int file_calls::exchange(const std::filesystem::path& a, const std::filesystem::path& b) {
  return guarded("rename", [&] {
    return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
  });
}

int file_calls::mkdir(const std::filesystem::path& path) {
  return guarded("mkdir", [&] { return ::mkdir(path.c_str(), 0777); });
}

void throw_io_error(const std::filesystem::path& path, std::string_view action, int error_number) {
  throw IoError(format("{}: cannot {}: {}", path.string(), action,
                       std::generic_category().message(error_number)));
}

void remove_tree(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::remove_all(path, error);
  if (error) throw_io_error(path, "remove the folder", error.value());
}

void sync_folder(const std::filesystem::path& folder) {
  const std::filesystem::path here = folder.empty() ? "." : folder;
  const int descriptor = ::open(here.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) throw_io_error(here, "open the folder", errno);
  const int result = file_calls::fsync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  // EINVAL: this file system has no fsync of folders; renames are as durable there as they get.
  if (result != 0 && error_number != EINVAL) throw_io_error(here, "sync the folder", error_number);
}

}  // namespace lckv::checkpoint
