#include "lckv/tensor/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "lckv/base/text.h"
#include "lckv/tensor/cuda_runtime.h"

namespace lckv {

namespace {

constexpr int64_t kAlignmentBytes = 64;
constexpr int64_t kMapFromBytes = int64_t{1} << 21;  // one huge page

int64_t round_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Buffer::Memory Buffer::host_memory(int64_t bytes) {
  void* memory = nullptr;
  Release release{Origin::kHeap, 0};
  if (bytes >= kMapFromBytes) {
    release = {Origin::kMapped, round_up(bytes, 4096)};
    memory = mmap(nullptr, static_cast<size_t>(release.bytes), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) memory = nullptr;
  } else {
    memory = std::aligned_alloc(
        kAlignmentBytes,
        static_cast<size_t>(round_up(std::max<int64_t>(bytes, 1), kAlignmentBytes)));
  }
  if (memory == nullptr) {
    throw Error(format("cannot allocate {} of memory", human_bytes(double(bytes))), ExitCode::kIo);
  }
  // Fewer TLB misses. Alignment to 4 KiB keeps resident memory equal to what was planned.
  if (release.bytes > 0) madvise(memory, static_cast<size_t>(release.bytes), MADV_HUGEPAGE);
  std::memset(memory, 0, static_cast<size_t>(bytes));
  return {memory, release};
}

Buffer::Buffer(int64_t bytes, Device device) : bytes_(bytes) {
  LCKV_CHECK(bytes >= 0, format("buffer of {} bytes", bytes));
  memory_ = device.kind == DeviceKind::kCuda
                ? Memory(cuda::allocate(bytes, device.index), Release{Origin::kCuda, 0})
                : host_memory(bytes);
}

Buffer::Buffer(DType dtype, const Shape& shape, Device device)
    : Buffer(shape.numel() * size_bytes(dtype), device) {
  view_ = View(memory_.get(), dtype, shape, device);
}

Buffer Buffer::staging(DType dtype, const Shape& shape, Device device) {
  if (device.kind == DeviceKind::kCpu) return {dtype, shape};
  Buffer buffer;
  buffer.bytes_ = shape.numel() * size_bytes(dtype);
  buffer.memory_ = Memory(cuda::allocate_pinned(buffer.bytes_), Release{Origin::kPinned, 0});
  std::memset(buffer.memory_.get(), 0, static_cast<size_t>(buffer.bytes_));
  buffer.view_ = View(buffer.memory_.get(), dtype, shape);
  return buffer;
}

void Buffer::Release::operator()(void* memory) const {
  switch (origin) {
    case Origin::kHeap:
      return std::free(memory);
    case Origin::kMapped:
      munmap(memory, static_cast<size_t>(bytes));
      return;
    case Origin::kPinned:
      return cuda::release_pinned(memory);
    case Origin::kCuda:
      return cuda::release(memory);
  }
}

}  // namespace lckv
