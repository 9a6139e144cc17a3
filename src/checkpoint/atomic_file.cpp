#include "lckv/checkpoint/atomic_file.h"

#include <cerrno>
#include <utility>

#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/checkpoint/file_calls.h"

namespace lckv::checkpoint {

AtomicFile::AtomicFile(std::filesystem::path path)
    : path_(std::move(path)), temporary_(path_.string() + ".tmp") {
  std::error_code ignored;  // what cannot be looked at cannot be written either, which tells why
  const auto status = std::filesystem::status(path_, ignored);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    throw IoError(path_.string() + ": exists and is no regular file; it is not replaced");
  }
  descriptor_ = file_calls::create(temporary_);
  if (descriptor_ < 0) throw_io_error(path_, "create the file", errno);
  temporary_exists_ = true;
}

AtomicFile::~AtomicFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
  if (temporary_exists_) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* bytes, size_t size_bytes) {
  note_progress();
  hash_.update(bytes, size_bytes);
  bytes_ += static_cast<int64_t>(size_bytes);
  const auto* next = static_cast<const std::byte*>(bytes);
  while (size_bytes > 0) {
    const ssize_t written = file_calls::write(descriptor_, next, size_bytes);
    if (written < 0) throw_io_error(path_, "write", errno);
    next += written;
    size_bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::close() {
  // Network file systems report a full disk here.
  if (file_calls::close(std::exchange(descriptor_, -1)) != 0)
    throw_io_error(path_, "close the file", errno);
}

FileSummary AtomicFile::commit() {
  LCKV_CHECK(descriptor_ >= 0, "commit of a file that was closed: " + path_.string());
  if (file_calls::fsync(descriptor_) != 0) throw_io_error(path_, "sync the file", errno);
  close();
  if (file_calls::rename(temporary_, path_) != 0) throw_io_error(path_, "rename to it", errno);
  temporary_exists_ = false;
  sync_folder(path_.parent_path());
  return {bytes_, hash_.digest()};
}

FileSummary write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  AtomicFile file(path);
  file.write(text.data(), text.size());
  return file.commit();
}

}  // namespace lckv::checkpoint
