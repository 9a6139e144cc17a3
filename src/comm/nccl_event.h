#pragma once

#include <memory>

#include <cuda_runtime_api.h>

namespace lckv::comm {

/// A point in a device's queue, without a time: shared by who waits there and who looks.
class NcclEvent {
 public:
  /// Throws CudaError.
  NcclEvent();

  void record(cudaStream_t stream) const;
  /// What is queued on `stream` from now on runs after it.
  void hold(cudaStream_t stream) const;
  /// Whether it has been; true also when the device has failed.
  bool reached() const;
  /// Returns when it has been reached.
  void synchronize() const noexcept;

 private:
  std::shared_ptr<CUevent_st> native_;
};

}  // namespace lckv::comm
