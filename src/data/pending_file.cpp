#include "lckv/data/pending_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw IoError(format("{}: {}: {}", path, what, std::strerror(errno)));
}

void sync(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags);
  if (descriptor < 0) fail(path, "cannot be opened");
  const int result = ::fsync(descriptor);
  const int error = errno;
  ::close(descriptor);
  // Some network file systems cannot sync a folder; the rename has happened all the same.
  if (result != 0 && !((flags & O_DIRECTORY) != 0 && error == EINVAL)) {
    errno = error;
    fail(path, "cannot be written to disk");
  }
}

std::string parent_folder(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  return parent.empty() ? "." : parent;
}

}  // namespace

PendingFile::PendingFile(std::string path)
    : path_(std::move(path)), temporary_path_(format("{}.{}.tmp", path_, ::getpid())) {
  if (std::filesystem::is_directory(path_))
    throw IoError(path_ + ": is a folder, expected a file name");
  if (std::filesystem::exists(path_) && !std::filesystem::is_regular_file(path_))
    throw IoError(path_ + ": is a device, pipe or socket; only a regular file can be replaced");
  const int descriptor =
      ::open(temporary_path_.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0644);
  if (descriptor < 0) fail(path_, "cannot be created");
  ::close(descriptor);
}

PendingFile::~PendingFile() {
  if (!committed_) ::unlink(temporary_path_.c_str());
}

void PendingFile::commit() {
  sync(temporary_path_, O_RDONLY);
  if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0) fail(path_, "cannot be renamed to");
  committed_ = true;
  sync(parent_folder(path_), O_RDONLY | O_DIRECTORY);
}

}  // namespace lckv::data
