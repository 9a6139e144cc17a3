#pragma once

#include <cstdint>
#include <memory>

#include "lckv/tensor/device.h"

namespace lckv {

/// What a stream's temporary memory is for: uses that may be live at once have different ones.
enum class ScratchUse : uint8_t { kPartialSums, kGemmWorkspace, kAttention, kSorting, kCount };

/// A queue of kernels on one device, run in order. On the CPU a kernel has finished when its op
/// returns; on a GPU when synchronize() or something that waits for it has. Copies are the same
/// queue. Used by one thread at a time.
class Stream {
 public:
  /// Throws CudaError when there is no such device.
  explicit Stream(Device device = {});
  Device device() const { return device_; }

  /// Returns when everything queued has run. Throws CudaError when any of it failed.
  void synchronize();

  /// cudaStream_t; null on the CPU.
  void* native() const;

  /// Memory of a GPU stream's device of at least so many bytes, 256-byte aligned, for kernels of
  /// the op that asks for it; contents are unspecified. Grows when more is asked for than ever
  /// before, which waits for the stream and is not possible while a graph is recorded (CudaError):
  /// what is to be recorded runs once before.
  void* scratch(ScratchUse use, int64_t bytes) const;
  /// Of all uses, which no plan knows.
  int64_t scratch_bytes() const;
  /// Changes whenever some of it has moved: graphs recorded before are void.
  int64_t scratch_moves() const;

 private:
  struct Queue;
  Device device_;
  std::shared_ptr<Queue> queue_;  // of a GPU
};

/// A point in a stream's queue. On the CPU, where a queue is always empty, it is always reached.
class Event {
 public:
  explicit Event(Device device = {});
  void record(Stream& stream);
  /// What is queued on `stream` from now on runs after the event.
  void hold(Stream& stream) const;
  /// Returns when the event has been reached.
  void synchronize() const;
  /// Between two events that have been reached, by the device's clock; 0 on the CPU.
  static double elapsed_ms(const Event& begin, const Event& end);

 private:
  Device device_;
  std::shared_ptr<void> native_;
};

}  // namespace lckv
