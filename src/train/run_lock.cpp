#include "lckv/train/run_lock.h"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::train {

RunLock::RunLock(const std::string& run_folder) : run_folder_(run_folder) {
  std::error_code error;
  std::filesystem::create_directories(run_folder, error);
  if (error) throw IoError(format("{}: cannot make the folder: {}", run_folder, error.message()));
  descriptor_ = open(run_folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor_ < 0) {
    throw IoError(format("{}: cannot open the folder: {}", run_folder, std::strerror(errno)));
  }
  // The folder itself is the lock: no file stays behind, and the system lets go when the process
  // ends.
  if (flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  close(descriptor_);
  throw IoError(format("{}: another process is training in this folder", run_folder));
}

RunLock::~RunLock() {
  rmdir(run_folder_.c_str());  // fails, as it should, when anything was written
  close(descriptor_);
}

}  // namespace lckv::train
