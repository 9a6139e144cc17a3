#pragma once

#include <cstdint>
#include <memory>

#include "lckv/tensor/view.h"

namespace lckv {

/// Owns zero-filled memory on one device, 64-byte aligned (a page when large). On the CPU every
/// page is touched at construction, so that a run that does not fit fails before it starts.
/// Throws Error (exit code kIo) naming the size when the memory cannot be had.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes, Device device = {});
  Buffer(DType dtype, const Shape& shape, Device device = {});

  View view() const { return view_; }
  int64_t bytes() const { return bytes_; }
  void* raw() const { return memory_.get(); }

 private:
  struct Release {
    int64_t bytes;  // mapped; 0 when from the heap
    void operator()(void* memory) const;
  };

  int64_t bytes_ = 0;
  std::unique_ptr<void, Release> memory_{nullptr, Release{0}};
  View view_;
};

}  // namespace lckv
