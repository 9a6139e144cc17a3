#pragma once

#include <atomic>
#include <chrono>
#include <memory>

namespace lckv::comm {

/// For calls of a foreign library that may never return: ends the process with kComm, saying
/// `what` does not return, unless it is gone before its time is over.
class Deadline {
 public:
  /// `what`: a literal.
  Deadline(const char* what, std::chrono::milliseconds time);
  ~Deadline() { *met_ = true; }
  Deadline(const Deadline&) = delete;
  Deadline& operator=(const Deadline&) = delete;

 private:
  std::shared_ptr<std::atomic<bool>> met_;
};

}  // namespace lckv::comm
