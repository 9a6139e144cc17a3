#include "lckv/base/sync_folder.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv {

namespace {

[[noreturn]] void fail(const std::filesystem::path& folder, const char* action, int error_number) {
  throw IoError(
      format("{}: cannot {} the folder: {}", folder.string(), action, std::strerror(error_number)));
}

}  // namespace

void sync_folder(const std::filesystem::path& folder, int (*sync)(int descriptor)) {
  const std::filesystem::path here = folder.empty() ? "." : folder;
  const int descriptor = ::open(here.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) fail(here, "open", errno);
  const int result = sync(descriptor);
  const int error_number = errno;
  ::close(descriptor);
  // EINVAL: this file system has no fsync of folders; renames are as durable there as they get.
  if (result != 0 && error_number != EINVAL) fail(here, "sync", error_number);
}

}  // namespace lckv
