#pragma once

#include "lckv/kernels/cpu/per_isa/kernels.h"
#include "lckv/kernels/cpu/thread_scratch.h"

LCKV_CPU_BEGIN

/// Cuts arrays out of one piece of scratch memory, each 64-byte aligned. Without a base it only
/// counts.
class ScratchLayout {
 public:
  explicit ScratchLayout(void* base = nullptr) : base_(static_cast<char*>(base)) {}

  template <class T>
  T* take(int64_t count) {
    T* const piece = base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + bytes_);
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return piece;
  }

  int64_t bytes() const { return bytes_; }

 private:
  char* base_;
  int64_t bytes_ = 0;
};

/// A struct of scratch arrays whose constructor takes them from a ScratchLayout, in the calling
/// thread's memory.
template <class Arrays, class... Args>
Arrays thread_arrays(const Args&... args) {
  static thread_local cpu::ThreadScratch memory;
  ScratchLayout count;
  Arrays(count, args...);
  ScratchLayout real(memory.reserve(count.bytes()));
  return Arrays(real, args...);
}

LCKV_CPU_END
