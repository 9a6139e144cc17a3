#include "lckv/data/pending_file.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/sync_folder.h"
#include "lckv/base/text.h"

namespace lckv::data {

namespace {

[[noreturn]] void fail(const std::string& path, const char* what) {
  throw IoError(format("{}: {}: {}", path, what, std::strerror(errno)));
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
  if (!published_) ::unlink(temporary_path_.c_str());
}

void PendingFile::commit() {
  finish();
  publish();
  settle();
}

void PendingFile::finish() {
  const int descriptor = ::open(temporary_path_.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) fail(temporary_path_, "cannot be opened");
  const int result = ::fsync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  errno = error_number;
  if (result != 0) fail(temporary_path_, "cannot be written to disk");
}

void PendingFile::publish() {
  if (std::rename(temporary_path_.c_str(), path_.c_str()) != 0) fail(path_, "cannot be renamed to");
  published_ = true;
}

void PendingFile::settle() { sync_folder(std::filesystem::path(path_).parent_path()); }

}  // namespace lckv::data
