#pragma once

#include "lckv/tensor/device.h"

namespace lckv {

/// A queue of kernels on one device, run in order. On the CPU a kernel has finished when its op
/// returns.
class Stream {
 public:
  explicit Stream(Device device = {}) : device_(device) {}
  Device device() const { return device_; }

  /// Returns when everything queued has run.
  void synchronize() {}

 private:
  Device device_;
};

}  // namespace lckv
