#pragma once

#include <cstdint>
#include <memory>

#include <cuda_runtime_api.h>

namespace lckv::comm {

enum class EventTime : uint8_t { kNone, kTaken };

/// A point in a device's queue: shared by who waits there and who looks.
class NcclEvent {
 public:
  /// Throws CudaError.
  explicit NcclEvent(EventTime time = EventTime::kNone);

  void record(cudaStream_t stream) const;
  /// What is queued on `stream` from now on runs after it.
  void hold(cudaStream_t stream) const;
  /// Whether it has been; true also when the device has failed.
  bool reached() const;
  /// Returns when it has been reached.
  void synchronize() const noexcept;
  /// By the device's clock between two that have been reached, with times; 0 when the device has
  /// failed.
  static double seconds(const NcclEvent& begin, const NcclEvent& end) noexcept;

 private:
  std::shared_ptr<CUevent_st> native_;
};

}  // namespace lckv::comm
