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
  /// Throws IoError when the folder of that name is no longer the one that is held: removed, or
  /// made anew, perhaps by another trainer. Before anything is written into it.
  void require_held() const;
  RunLock(const RunLock&) = delete;
  RunLock& operator=(const RunLock&) = delete;

 private:
  std::string run_folder_;
  int descriptor_ = -1;
};

}  // namespace lckv::train
