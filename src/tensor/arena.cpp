#include "lckv/tensor/arena.h"

#include "lckv/base/text.h"

namespace lckv {

namespace {
constexpr int64_t kAlignmentBytes = 64;
}

Arena Arena::planning(Device device) {
  Arena arena;
  arena.device_ = device;
  return arena;
}

Arena Arena::allocate(const Arena& plan) {
  Arena arena;
  arena.planning_ = false;
  arena.device_ = plan.device_;
  arena.bytes_ = plan.bytes_;
  arena.pieces_ = plan.pieces_;
  arena.buffer_ = Buffer(plan.bytes_, plan.device_);
  return arena;
}

Arena Arena::allocate_staging(const Arena& plan, Device device) {
  LCKV_CHECK(plan.device_.kind == DeviceKind::kCpu, "staging memory is planned on the host");
  Arena arena;
  arena.planning_ = false;
  arena.bytes_ = plan.bytes_;
  arena.pieces_ = plan.pieces_;
  arena.buffer_ = Buffer::staging(DType::kI32, {plan.bytes_ / 4}, device);
  return arena;
}

View Arena::take(const std::string& kind, const std::string& name, DType dtype,
                 const Shape& shape) {
  const int64_t bytes =
      (shape.numel() * size_bytes(dtype) + kAlignmentBytes - 1) / kAlignmentBytes * kAlignmentBytes;
  if (planning_) {
    pieces_.push_back({kind, name, bytes});
    bytes_ += bytes;
    return {nullptr, dtype, shape, device_};
  }
  LCKV_CHECK(next_ < pieces_.size() && pieces_[next_].name == name && pieces_[next_].bytes == bytes,
             format("arena: took '{}' of {} bytes, planned was {}", name, bytes,
                    next_ < pieces_.size()
                        ? format("'{}' of {} bytes", pieces_[next_].name, pieces_[next_].bytes)
                        : "nothing more"));
  View piece(static_cast<std::byte*>(buffer_.raw()) + offset_bytes_, dtype, shape, device_);
  offset_bytes_ += bytes;
  ++next_;
  return piece;
}

}  // namespace lckv
