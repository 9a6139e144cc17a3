#include "lckv/tensor/buffer.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include <sys/mman.h>

#include "lckv/base/text.h"

namespace lckv {

namespace {

constexpr int64_t kAlignmentBytes = 64;
constexpr int64_t kMapFromBytes = int64_t{1} << 21;  // one huge page

int64_t round_up(int64_t bytes, int64_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

Buffer::Buffer(int64_t bytes, Device device) : bytes_(bytes) {
  LCKV_CHECK(bytes >= 0, format("buffer of {} bytes", bytes));
  if (device.kind != DeviceKind::kCpu) throw CudaError("this build has no CUDA memory");
  void* memory = nullptr;
  if (bytes >= kMapFromBytes) {
    const int64_t mapped = round_up(bytes, 4096);
    memory = mmap(nullptr, static_cast<size_t>(mapped), PROT_READ | PROT_WRITE,
                  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) {
      throw Error(format("cannot allocate {} of memory", human_bytes(double(bytes))),
                  ExitCode::kIo);
    }
    // Fewer TLB misses. Alignment to 4 KiB keeps resident memory equal to what was planned.
    madvise(memory, static_cast<size_t>(mapped), MADV_HUGEPAGE);
    memory_ = std::unique_ptr<void, Release>(memory, Release{mapped});
  } else {
    memory = std::aligned_alloc(
        kAlignmentBytes,
        static_cast<size_t>(round_up(std::max<int64_t>(bytes, 1), kAlignmentBytes)));
    if (memory == nullptr) {
      throw Error(format("cannot allocate {} of memory", human_bytes(double(bytes))),
                  ExitCode::kIo);
    }
    memory_ = std::unique_ptr<void, Release>(memory, Release{0});
  }
  std::memset(memory, 0, static_cast<size_t>(bytes));
}

Buffer::Buffer(DType dtype, const Shape& shape, Device device)
    : Buffer(shape.numel() * size_bytes(dtype), device) {
  view_ = View(memory_.get(), dtype, shape, device);
}

void Buffer::Release::operator()(void* memory) const {
  if (bytes > 0) {
    munmap(memory, static_cast<size_t>(bytes));
  } else {
    std::free(memory);
  }
}

}  // namespace lckv
