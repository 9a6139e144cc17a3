#include "lckv/checkpoint/file_calls.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/log.h"
#include "lckv/base/sync_folder.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/manifest.h"

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

int file_calls::close(int descriptor) {
  const FileCallHook& hook = installed_hook();
  const int error_number = hook ? hook("close") : 0;
  const int result = ::close(descriptor);
  if (error_number != 0) errno = error_number;
  if (error_number != 0) return -1;
  // Linux has closed it then; a second call could close another thread's.
  return result != 0 && errno == EINTR ? 0 : result;
}

int file_calls::rename(const std::filesystem::path& from, const std::filesystem::path& to) {
  return guarded("rename", [&] { return ::rename(from.c_str(), to.c_str()); });
}

int file_calls::exchange(const std::filesystem::path& a, const std::filesystem::path& b) {
  return guarded("exchange", [&] {
    return ::renameat2(AT_FDCWD, a.c_str(), AT_FDCWD, b.c_str(), RENAME_EXCHANGE);
  });
}

int file_calls::mkdir(const std::filesystem::path& path) {
  return guarded("mkdir", [&] { return ::mkdir(path.c_str(), 0777); });
}

int file_calls::unlink(const std::filesystem::path& path) {
  return guarded("unlink", [&] { return ::unlink(path.c_str()); });
}

int file_calls::rmdir(const std::filesystem::path& path) {
  return guarded("rmdir", [&] { return ::rmdir(path.c_str()); });
}

void throw_io_error(const std::filesystem::path& path, std::string_view action, int error_number) {
  throw IoError(format("{}: cannot {}: {}", path.string(), action,
                       std::generic_category().message(error_number)));
}

namespace {

/// What is in a folder, the manifest first: without it nothing of the rest is believed.
std::vector<std::filesystem::path> entries_of(const std::filesystem::path& folder) {
  std::vector<std::filesystem::path> entries;
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    entries.push_back(entry->path());
  }
  if (error) throw_io_error(folder, "list the folder", error.value());
  std::partition(entries.begin(), entries.end(),
                 [](const auto& path) { return path.filename() == Manifest::kFileName; });
  return entries;
}

}  // namespace

void remove_tree(const std::filesystem::path& path) {
  std::error_code error;
  const auto type = std::filesystem::symlink_status(path, error).type();
  if (type == std::filesystem::file_type::not_found) return;
  if (type != std::filesystem::file_type::directory) {
    if (file_calls::unlink(path) == 0 || errno == ENOENT) return;
    throw_io_error(path, "remove the file", errno);
  }
  for (const auto& entry : entries_of(path)) remove_tree(entry);
  if (file_calls::rmdir(path) == 0 || errno == ENOENT) return;
  throw_io_error(path, "remove the folder", errno);
}

void remove_tree_or_warn(const std::filesystem::path& path) {
  try {
    remove_tree(path);
  } catch (const IoError& error) {
    log_warning(format("{} stays until a later save: {}", path.string(), error.what()));
  }
}

void sync_folder(const std::filesystem::path& folder) {
  lckv::sync_folder(folder, file_calls::fsync);
}

}  // namespace lckv::checkpoint
