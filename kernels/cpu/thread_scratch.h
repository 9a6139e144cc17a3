#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace lckv::ops::cpu {

/// Memory that one thread keeps from call to call: it grows to the largest request and is never
/// zeroed.
class ThreadScratch {
 public:
  ThreadScratch() = default;
  ~ThreadScratch();
  ThreadScratch(const ThreadScratch&) = delete;
  ThreadScratch& operator=(const ThreadScratch&) = delete;

  /// At least `bytes` bytes, 64-byte aligned; what the last call returned is invalid now. Throws
  /// IoError naming the size when the memory cannot be had.
  void* reserve(int64_t bytes);

 private:
  struct Free {
    void operator()(void* memory) const;
  };

  int64_t bytes_ = 0;
  std::unique_ptr<void, Free> memory_;
};

/// Bytes that the ThreadScratch objects of all threads hold now.
int64_t thread_scratch_bytes();

}  // namespace lckv::ops::cpu
