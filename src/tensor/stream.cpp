#include "lckv/tensor/stream.h"

#include <array>

#include "lckv/tensor/buffer.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv {

struct Stream::Queue {
  explicit Queue(int device) : native(cuda::create_stream(device)) {}
  ~Queue() { cuda::destroy_stream(native); }
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  void* native;
  std::array<Buffer, static_cast<size_t>(ScratchUse::kCount)> scratch;
  int64_t scratch_moves = 0;
};

Stream::Stream(Device device) : device_(device) {
  if (device.kind == DeviceKind::kCuda) queue_ = std::make_shared<Queue>(device.index);
}

void* Stream::native() const { return queue_ ? queue_->native : nullptr; }

void Stream::synchronize() {
  if (queue_) cuda::synchronize(queue_->native);
}

void* Stream::scratch(ScratchUse use, int64_t bytes) const {
  Buffer& buffer = queue_->scratch[static_cast<size_t>(use)];
  if (buffer.bytes() < bytes) {
    cuda::synchronize(queue_->native);
    buffer = Buffer();
    buffer = Buffer(bytes, device_);
    ++queue_->scratch_moves;
  }
  return buffer.raw();
}

int64_t Stream::scratch_bytes() const {
  int64_t bytes = 0;
  if (queue_) {
    for (const Buffer& buffer : queue_->scratch) bytes += buffer.bytes();
  }
  return bytes;
}

int64_t Stream::scratch_moves() const { return queue_ ? queue_->scratch_moves : 0; }

Event::Event(Device device) : device_(device) {
  if (device.kind == DeviceKind::kCuda) {
    native_ = {cuda::create_event(device.index), cuda::destroy_event};
  }
}

void Event::record(Stream& stream) {
  if (native_) cuda::record(native_.get(), stream.native());
}

void Event::hold(Stream& stream) const {
  if (native_) cuda::wait(stream.native(), native_.get());
}

void Event::synchronize() const {
  if (native_) cuda::synchronize_event(native_.get());
}

double Event::elapsed_ms(const Event& begin, const Event& end) {
  return begin.native_ ? cuda::elapsed_ms(begin.native_.get(), end.native_.get()) : 0;
}

}  // namespace lckv
