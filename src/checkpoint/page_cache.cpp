#include "lckv/checkpoint/page_cache.h"

#include <system_error>

#include <fcntl.h>
#include <unistd.h>

namespace lckv::checkpoint {

void drop_from_page_cache(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::directory_iterator entry(folder, error);
  for (; !error && entry != std::filesystem::directory_iterator(); entry.increment(error)) {
    const int descriptor = ::open(entry->path().c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (descriptor < 0) continue;
    ::posix_fadvise(descriptor, 0, 0, POSIX_FADV_DONTNEED);
    ::close(descriptor);
  }
}

}  // namespace lckv::checkpoint
