#pragma once

#include <string>

namespace lckv::train {

/// Makes a run's folder and holds it for this process: two trainers in one folder would destroy
/// each other's files. An empty folder goes again.
class RunLock {
 public:
  /// Throws IoError when the folder cannot be made or another process holds it.
  explicit RunLock(const std::string& run_folder);
  ~RunLock();
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  std::string run_folder_;
  int descriptor_ = -1;
};

}  // namespace lckv::train
