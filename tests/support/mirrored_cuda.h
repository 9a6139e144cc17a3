#pragma once

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/kernels/table.h"
#include "lckv/tensor/buffer.h"
#include "lckv/tensor/cuda_runtime.h"
#include "lckv/tensor/transfer.h"

// The CUDA kernels for tests that are written for host memory: every view of a call is copied to
// the GPU, with the bytes between its rows and what other views share of it, and back afterwards.
namespace lckv::test {

/// Whether there is a GPU. LCKV_REQUIRE_CUDA=1 makes its absence an error, lest all is skipped
/// where it should have run.
inline bool has_cuda() {
  const char* const required = std::getenv("LCKV_REQUIRE_CUDA");
  const bool has = cuda::device_count() > 0;
  if (!has && required != nullptr && std::string_view(required) == "1") {
    throw CudaError("LCKV_REQUIRE_CUDA=1: " + cuda::why_no_device());
  }
  return has;
}

/// The host memory of a call's views, and where it lies on the GPU.
class Mirror {
 public:
  void note(const ConstView& view) {
    if (view && view.numel() > 0) stretches_.push_back(stretch_of(view));
  }
  void note(const ops::AttentionMask& mask) {
    note(mask.first_key);
    note(mask.key_lengths);
  }
  void note(const ops::PagedKeys& keys) {
    for (const ConstView& view :
         {keys.page_table, keys.sequence, keys.begin, keys.end, keys.sink_end}) {
      note(view);
    }
  }
  void note(const View& view) { note(static_cast<const ConstView&>(view)); }
  template <class T>
  void note(const T&) {}

  /// Stretches that touch become one.
  void copy_there() {
    std::sort(stretches_.begin(), stretches_.end(),
              [](const Stretch& a, const Stretch& b) { return a.begin < b.begin; });
    std::vector<Stretch> merged;
    for (const Stretch& stretch : stretches_) {
      if (!merged.empty() && stretch.begin < merged.back().end) {
        merged.back().end = std::max(merged.back().end, stretch.end);
      } else {
        merged.push_back(stretch);
      }
    }
    stretches_ = std::move(merged);
    for (const Stretch& stretch : stretches_) copies_.push_back(copy_of(stretch));
  }

  View there(const View& view) const { return Moved(view, address(view)); }
  ConstView there(const ConstView& view) const { return Moved(view, address(view)); }
  ops::AttentionMask there(ops::AttentionMask mask) const {
    if (mask.first_key) mask.first_key = there(mask.first_key);
    if (mask.key_lengths) mask.key_lengths = there(mask.key_lengths);
    return mask;
  }
  ops::PagedKeys there(const ops::PagedKeys& keys) const {
    return {there(keys.page_table), there(keys.sequence), there(keys.begin), there(keys.end),
            there(keys.sink_end)};
  }
  template <class T>
  const T& there(const T& value) const {
    return value;
  }

  /// Throws when a byte before or behind a stretch has changed.
  void copy_back() {
    for (size_t i = 0; i < stretches_.size(); ++i) {
      const Buffer back = to_host(stream_, copies_[i].view());
      const auto* bytes = static_cast<const std::byte*>(back.raw());
      const int64_t first = front(stretches_[i]), size = stretches_[i].end - stretches_[i].begin;
      for (int64_t at = 0; at < back.bytes(); ++at) {
        if (at >= first && at < first + size) continue;
        LCKV_CHECK(bytes[at] == kGuard, "a kernel wrote outside of its arguments");
      }
      std::memcpy(stretches_[i].begin, bytes + first, static_cast<size_t>(size));
    }
  }

  Stream& stream() { return stream_; }

 private:
  static constexpr int64_t kGuardBytes = 256;
  static constexpr std::byte kGuard{0xA5};

  struct Stretch {
    std::byte *begin, *end;
  };

  /// The same window onto other memory.
  struct Moved : View {
    Moved(const ConstView& from, void* data) {
      static_cast<ConstView&>(*this) = from;
      if (!from) return;
      data_ = data;
      device_ = {DeviceKind::kCuda, 0};
    }
  };

  static Stretch stretch_of(const ConstView& view) {
    int64_t elems = 1;
    for (int axis = 0; axis < view.rank(); ++axis)
      elems += (view.dim(axis) - 1) * view.stride(axis);
    auto* const begin = static_cast<std::byte*>(const_cast<void*>(view.raw()));
    return {begin, begin + elems * size_bytes(view.dtype())};
  }

  /// Where the stretch begins in its copy: addresses keep their alignment.
  static int64_t front(const Stretch& stretch) {
    return kGuardBytes + static_cast<int64_t>(reinterpret_cast<uintptr_t>(stretch.begin) % 16);
  }

  Buffer copy_of(const Stretch& stretch) {
    const int64_t size = stretch.end - stretch.begin;
    const int64_t words = (front(stretch) + size + kGuardBytes + 3) / 4;
    const Buffer host(DType::kI32, {words});
    std::memset(host.raw(), std::to_integer<int>(kGuard), static_cast<size_t>(host.bytes()));
    std::memcpy(static_cast<std::byte*>(host.raw()) + front(stretch), stretch.begin,
                static_cast<size_t>(size));
    Buffer there(DType::kI32, {words}, stream_.device());
    transfer(stream_, there.view(), host.view());
    stream_.synchronize();
    return there;
  }

  void* address(const ConstView& view) const {
    if (!view || view.numel() == 0) return nullptr;
    const auto* data = static_cast<const std::byte*>(view.raw());
    for (size_t i = 0; i < stretches_.size(); ++i) {
      if (data < stretches_[i].begin || data >= stretches_[i].end) continue;
      return static_cast<std::byte*>(copies_[i].raw()) + front(stretches_[i]) +
             (data - stretches_[i].begin);
    }
    throw InternalError("a view that was not noted");
  }

  Stream stream_{Device{DeviceKind::kCuda, 0}};
  std::vector<Stretch> stretches_;
  std::vector<Buffer> copies_;
};

template <auto Get, class Signature>
struct Mirrored;
template <auto Get, class... Args>
struct Mirrored<Get, void(Stream&, Args...)> {
  static void call(Stream&, Args... args) {
    Mirror mirror;
    (mirror.note(args), ...);
    mirror.copy_there();
    Get(ops::cuda_kernels())(mirror.stream(), mirror.there(args)...);
    mirror.copy_back();
  }
};

/// Needs has_cuda().
inline const ops::KernelTable& mirrored_cuda_table() {
#define LCKV_MIRRORED(op)                                                                      \
  .op = Mirrored<[](const ops::KernelTable& table) -> decltype(ops::op)& { return table.op; }, \
                 decltype(ops::op)>::call
  static const ops::KernelTable instance = {
      .name = "cuda",
      LCKV_MIRRORED(rmsnorm_forward),
      LCKV_MIRRORED(rmsnorm_backward),
      LCKV_MIRRORED(rope_forward),
      LCKV_MIRRORED(rope_backward),
      LCKV_MIRRORED(rope_tables),
      LCKV_MIRRORED(swiglu_forward),
      LCKV_MIRRORED(swiglu_backward),
      LCKV_MIRRORED(embedding_forward),
      LCKV_MIRRORED(embedding_backward),
      LCKV_MIRRORED(matmul_forward),
      LCKV_MIRRORED(matmul_add_forward),
      LCKV_MIRRORED(matmul_backward_input),
      LCKV_MIRRORED(matmul_backward_weight),
      LCKV_MIRRORED(attention_forward),
      LCKV_MIRRORED(attention_backward),
      LCKV_MIRRORED(paged_attention_forward),
      LCKV_MIRRORED(cross_entropy_forward),
      LCKV_MIRRORED(cross_entropy_forward_backward),
      LCKV_MIRRORED(cross_entropy_part),
      LCKV_MIRRORED(cross_entropy_join),
      LCKV_MIRRORED(cross_entropy_part_backward),
      LCKV_MIRRORED(adamw_update),
      LCKV_MIRRORED(sum),
      LCKV_MIRRORED(sum_of_squares),
      LCKV_MIRRORED(row_changes),
      LCKV_MIRRORED(argmax),
      LCKV_MIRRORED(clip_scale),
      LCKV_MIRRORED(copy),
      LCKV_MIRRORED(copy_numbered_rows),
      LCKV_MIRRORED(fill_zero),
      LCKV_MIRRORED(add),
  };
#undef LCKV_MIRRORED
  return instance;
}

}  // namespace lckv::test
