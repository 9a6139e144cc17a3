#pragma once

#include <cstdint>
#include <memory>

#include "lckv/tensor/view.h"

namespace lckv {

/// Owns zero-filled memory on one device, 64-byte aligned (a page when large). On the CPU every
/// page is touched at construction, so that a run that does not fit fails before it starts.
/// Throws Error (exit code kIo), CudaError on a GPU, naming the size when the memory cannot be had.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t bytes, Device device = {});
  Buffer(DType dtype, const Shape& shape, Device device = {});
  /// Host memory that `device` copies to and from: pinned when it is a GPU, so that copies run
  /// while the host goes on.
  static Buffer staging(DType dtype, const Shape& shape, Device device);

  View view() const { return view_; }
  int64_t bytes() const { return bytes_; }
  void* raw() const { return memory_.get(); }

 private:
  enum class Origin : uint8_t { kHeap, kMapped, kPinned, kCuda };
  struct Release {
    Origin origin;
    int64_t bytes;  // mapped
    void operator()(void* memory) const;
  };
  using Memory = std::unique_ptr<void, Release>;
  static Memory host_memory(int64_t bytes);

  int64_t bytes_ = 0;
  Memory memory_{nullptr, Release{Origin::kHeap, 0}};
  View view_;
};

}  // namespace lckv
