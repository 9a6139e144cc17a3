#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lckv/tensor/dtype.h"

namespace lckv::ops::cuda {

/// Where the matrices of a product lie.
struct GemmOperands {
  void* c;
  const void* a;
  const void* b;
  const void* added;  // C itself, the residual, or null
};

/// What is added to the product.
enum class GemmAdded : uint8_t { kNothing, kOutput, kResidual };

/// A row-major product C = A B (+ what is added) without its addresses: equal keys run the same
/// code. Sums run in the accumulator of `in`, rounded once.
struct GemmKey {
  DType in;   // of A and B: BF16, F32 or F64
  DType out;  // of C and the residual: `in`, or F32 beside BF16
  GemmAdded added;
  bool a_transposed;  // A lies in memory as [sums, rows], else as [rows, sums]
  bool b_transposed;  // B lies in memory as [cols, sums], else as [sums, cols]
  int64_t rows;       // all three > 0
  int64_t cols;
  int64_t sums;
  int64_t a_stride;  // in elements, between rows as they lie in memory
  int64_t b_stride;
  int64_t c_stride;                     // [rows, cols]
  int64_t added_stride;                 // [rows, cols]; c_stride unless a residual is added
  std::array<int32_t, 4> alignments{};  // of A, B, what is added, C: bytes, at most 256

  bool operator==(const GemmKey&) const = default;
};

struct GemmKeyHash {
  size_t operator()(const GemmKey& key) const;
};

/// The greatest power of two up to 256 that divides each address.
std::array<int32_t, 4> alignments_of(const GemmOperands& at);

/// "16384x2560x2048 nt bf16 bf16 + nothing, strides 2048 2048 2560 2560, alignments 256 256 256
/// 256": rows, cols, sums, n or t for A and B; the key in files.
std::string to_text(const GemmKey& key);

}  // namespace lckv::ops::cuda
