#include "lckv/train/run_lock.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::train {

RunLock::RunLock(const std::string& run_folder) : run_folder_(run_folder) {
  std::error_code error;
  made_here_ = std::filesystem::create_directories(run_folder, error);
  if (error) throw IoError(format("{}: cannot make the folder: {}", run_folder, error.message()));
  descriptor_ = open(run_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw IoError(format("{}: cannot open the folder: {}", run_folder, std::strerror(errno)));
  }
  // The folder itself is the lock: no file stays behind, and the system lets go when the process
  // ends.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  const int error_number = errno;
  close(descriptor_);
  if (error_number == EWOULDBLOCK) {
    throw IoError(format("{}: another process is training in this folder", run_folder));
  }
  throw IoError(format("{}: cannot lock the folder: {}", run_folder, std::strerror(error_number)));
}

void RunLock::require_held() const {
  struct stat held = {}, named = {};
  if (fstat(descriptor_, &held) == 0 && stat(run_folder_.c_str(), &named) == 0 &&
      held.st_dev == named.st_dev && held.st_ino == named.st_ino) {
    return;
  }
  throw IoError(format("{}: the folder was removed or replaced while this process trained in it",
                       run_folder_));
}

RunLock::~RunLock() {
  if (made_here_) rmdir(run_folder_.c_str());  // fails, as it should, when anything was written
  close(descriptor_);
}

}  // namespace lckv::train
