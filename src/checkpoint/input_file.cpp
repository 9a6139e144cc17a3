#include "lckv/checkpoint/input_file.h"

#include <algorithm>
#include <cerrno>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/checkpoint/file_calls.h"

namespace lckv::checkpoint {

namespace {

[[noreturn]] void throw_not_opened(const std::filesystem::path& path, int error_number) {
  try {
    throw_io_error(path, "open the file", error_number);
  } catch (const IoError& error) {
    if (error_number == ENOENT || error_number == ENOTDIR) throw MissingBytes(error.what());
    throw;
  }
}

}  // namespace

InputFile::InputFile(std::filesystem::path path) : path_(std::move(path)) {
  // O_NONBLOCK: opening a pipe by mistake must not hang.
  descriptor_ = ::open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor_ < 0) throw_not_opened(path_, errno);
  struct stat status {};
  const int error_number = ::fstat(descriptor_, &status) == 0 ? 0 : errno;
  bytes_ = status.st_size;
  if (error_number == 0 && S_ISREG(status.st_mode)) return;
  ::close(descriptor_);
  if (error_number != 0) throw_io_error(path_, "look at the file", error_number);
  throw MissingBytes(format("{}: not a regular file", path_.string()));
}

InputFile::~InputFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

InputFile::InputFile(InputFile&& other) noexcept
    : path_(other.path_), descriptor_(std::exchange(other.descriptor_, -1)), bytes_(other.bytes_) {}

void InputFile::read(int64_t begin, void* to, int64_t size_bytes) const {
  note_progress();
  auto* next = static_cast<std::byte*>(to);
  while (size_bytes > 0) {
    const ssize_t got = ::pread(descriptor_, next, static_cast<size_t>(size_bytes), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0)
      throw_io_error(path_, format("read {} bytes at byte {}", size_bytes, begin), errno);
    if (got == 0) {
      throw MissingBytes(
          format("{}: ends at byte {}, {} bytes before the end of what is read; it had {} "
                 "bytes when it was opened",
                 path_.string(), begin, size_bytes, bytes_));
    }
    next += got;
    begin += got;
    size_bytes -= got;
  }
}

uint64_t InputFile::hash(int64_t begin, int64_t end) const {
  constexpr int64_t kChunkBytes = 1 << 20;
  std::vector<std::byte> chunk(static_cast<size_t>(std::min(kChunkBytes, end - begin)));
  StreamHash hash;
  for (int64_t at = begin; at < end;) {
    const int64_t size_bytes = std::min(kChunkBytes, end - at);
    read(at, chunk.data(), size_bytes);
    hash.update(chunk.data(), static_cast<size_t>(size_bytes));
    at += size_bytes;
  }
  return hash.digest();
}

std::string read_text_file(const std::filesystem::path& path, int64_t limit_bytes) {
  const InputFile file(path);
  if (file.bytes() > limit_bytes) {
    throw DataError(format("{}: has {} bytes; at most {} are expected", path.string(), file.bytes(),
                           limit_bytes));
  }
  std::string text(static_cast<size_t>(file.bytes()), '\0');
  file.read(0, text.data(), file.bytes());
  return text;
}

}  // namespace lckv::checkpoint
