#include "lckv/kernels/cuda/gemm_key.h"

#include "lckv/base/text.h"

namespace lckv::ops::cuda {

namespace {

int32_t alignment_of(const void* address) {
  constexpr uintptr_t kMost = 256;
  const uintptr_t bits = reinterpret_cast<uintptr_t>(address) | kMost;
  return static_cast<int32_t>(bits & -bits);
}

const char* name(GemmAdded added) {
  switch (added) {
    case GemmAdded::kNothing:
      return "nothing";
    case GemmAdded::kOutput:
      return "output";
    case GemmAdded::kResidual:
      return "residual";
  }
  throw InternalError("unknown addend of a product");
}

}  // namespace

size_t GemmKeyHash::operator()(const GemmKey& key) const {
  uint64_t hash = 0;
  const auto mix = [&hash](int64_t word) {
    hash = (hash ^ static_cast<uint64_t>(word)) * 0x9E3779B97F4A7C15u;
    hash ^= hash >> 29;
  };
  mix(static_cast<int64_t>(key.in) | static_cast<int64_t>(key.out) << 8 |
      static_cast<int64_t>(key.added) << 16 | int64_t{key.a_transposed} << 24 |
      int64_t{key.b_transposed} << 32);
  for (const int64_t word :
       {key.rows, key.cols, key.sums, key.a_stride, key.b_stride, key.c_stride, key.added_stride}) {
    mix(word);
  }
  const auto& alignments = key.alignments;
  mix(alignments[0] | int64_t{alignments[1]} << 16 | int64_t{alignments[2]} << 32 |
      int64_t{alignments[3]} << 48);
  return hash;
}

std::array<int32_t, 4> alignments_of(const GemmOperands& at) {
  const void* const added = at.added != nullptr ? at.added : at.c;
  return {alignment_of(at.a), alignment_of(at.b), alignment_of(added), alignment_of(at.c)};
}

std::string to_text(const GemmKey& key) {
  const auto& alignments = key.alignments;
  return format("{}x{}x{} {}{} {} {} + {}, strides {} {} {} {}, alignments {} {} {} {}", key.rows,
                key.cols, key.sums, key.a_transposed ? 't' : 'n', key.b_transposed ? 't' : 'n',
                lckv::name(key.in), lckv::name(key.out), name(key.added), key.a_stride,
                key.b_stride, key.added_stride, key.c_stride, alignments[0], alignments[1],
                alignments[2], alignments[3]);
}

}  // namespace lckv::ops::cuda
