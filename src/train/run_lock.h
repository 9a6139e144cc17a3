#pragma once

#include <string>

namespace lckv::train {

/// Makes a run's folder where there is none, and holds it for this process: two trainers in one
/// folder would destroy each other's files. A folder that it made goes again when it is empty.
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
  bool made_here_ = false;
  int descriptor_ = -1;
};

}  // namespace lckv::train
