#pragma once

#include <array>
#include <bit>
#include <cmath>
#include <cstring>
#include <numbers>

#include "lckv/kernels/cpu/onednn_gemm.h"
#include "lckv/kernels/cpu/per_isa/attention_heads.h"
#include "lckv/kernels/cpu/per_isa/attention_mask.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

// How blocked attention cuts a [queries x keys] square of scores into pieces that stay in a core's
// cache.
LCKV_CPU_BEGIN

// Rows of a query block: the query heads that share one key/value head are stacked, so that one
// product serves them all.
inline constexpr int64_t kQueryRows = 128;
// Keys per block, always at multiples of this: a score's place in the order of sums depends on its
// key alone.
inline constexpr int64_t kKeyBlock = 512;
// Blocks are cut to what is visible in steps of this: few different shapes, each prepared once.
inline constexpr int64_t kKeyStep = 64;

struct AttentionSizes {
  int64_t batch, queries, keys, heads, kv_heads, width;
  int64_t group;         // query heads per key/value head
  int64_t block_tokens;  // queries of one head in a query block
  int64_t rows;  // group * block_tokens; row g * block_tokens + t is token t of the group's head g
  int64_t query_blocks;
  int64_t key_blocks;
  float scale;       // 1 / sqrt(D)
  float scale_log2;  // log2(e) / sqrt(D)

  AttentionSizes(const ConstView& q, const ConstView& k)
      : batch(q.dim(0)),
        queries(q.dim(1)),
        keys(k.dim(1)),
        heads(q.dim(2)),
        kv_heads(k.dim(2)),
        width(q.dim(3)),
        group(heads / kv_heads),
        // A power of two below the full block: decoding one token does not pay for 128 rows.
        block_tokens(std::min(std::max<int64_t>(1, kQueryRows / group),
                              static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(queries))))),
        rows(group * block_tokens),
        query_blocks((queries + block_tokens - 1) / block_tokens),
        key_blocks((keys + kKeyBlock - 1) / kKeyBlock),
        scale(static_cast<float>(1.0 / std::sqrt(static_cast<double>(width)))),
        scale_log2(
            static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(width)))) {}
};

/// The queries of one block and what each sees. Rows of tokens beyond the last one see nothing.
struct QueryBlock {
  int64_t sequence = 0;
  int64_t kv_head = 0;
  int64_t first_token = 0;
  int64_t tokens = 0;
  std::array<KeyRange, kQueryRows> visible{};  // per token
  KeyRange keys;                               // all that any of them sees lies in here

  QueryBlock() = default;
  QueryBlock(const AttentionSizes& size, const AttentionMask& mask, int64_t b, int64_t kv,
             int64_t block)
      : sequence(b),
        kv_head(kv),
        first_token(block * size.block_tokens),
        tokens(std::min(size.block_tokens, size.queries - first_token)) {
    for (int64_t t = 0; t < tokens; ++t) {
      const KeyRange range = visible_keys(mask, b, first_token + t, size.keys);
      visible[static_cast<size_t>(t)] = range;
      if (range.empty()) continue;
      keys = keys.empty()
                 ? range
                 : KeyRange{std::min(keys.begin, range.begin), std::max(keys.end, range.end)};
    }
  }
};

/// The part of key block `block` that a query block needs, in keys of that block: cut in steps of
/// kKeyStep.
inline KeyRange needed_keys(const KeyRange& visible, int64_t block) {
  const int64_t first = block * kKeyBlock;
  const int64_t begin = std::max<int64_t>(visible.begin - first, 0);
  const int64_t end = std::min(visible.end - first, kKeyBlock);
  if (begin >= end) return {};
  return {begin / kKeyStep * kKeyStep, (end + kKeyStep - 1) / kKeyStep * kKeyStep};
}

/// One row of `width` elements in the type of the products.
template <class C, class T>
void copy_row(C* to, const T* from, int64_t width) {
  if constexpr (std::is_same_v<C, T>) {
    std::memcpy(to, from, static_cast<size_t>(width) * sizeof(T));
  } else {
#pragma omp simd
    for (int64_t d = 0; d < width; ++d) to[d] = to_acc(from[d]);
  }
}

template <class C>
void zero_rows(C* to, int64_t rows, int64_t width) {
  std::memset(static_cast<void*>(to), 0, static_cast<size_t>(rows * width) * sizeof(C));
}

/// Keys (or values) first .. end-1 as a matrix without gaps, which oneDNN multiplies up to twice as
/// fast. Zeros follow up to a multiple of kKeyStep: a key past the end may hold anything, and 0 *
/// NaN is not 0.
template <class C, class T>
void gather_keys(C* to, const HeadRows<const T>& from, int64_t b, int64_t kv_head, int64_t first,
                 int64_t end, int64_t width) {
  for (int64_t j = first; j < end; ++j) {
    copy_row(to + (j - first) * width, from.row(b, j, kv_head), width);
  }
  const int64_t count = end - first;
  const int64_t padded = (count + kKeyStep - 1) / kKeyStep * kKeyStep;
  zero_rows(to + count * width, padded - count, width);
}

/// The stacked rows of a query block; zeros in rows past the last token.
template <class C, class T>
void gather_queries(C* to, const HeadRows<const T>& from, const QueryBlock& block,
                    const AttentionSizes& size) {
  for (int64_t g = 0; g < size.group; ++g) {
    C* head = to + g * size.block_tokens * size.width;
    for (int64_t t = 0; t < block.tokens; ++t) {
      copy_row(head + t * size.width,
               from.row(block.sequence, block.first_token + t, block.kv_head * size.group + g),
               size.width);
    }
    zero_rows(head + block.tokens * size.width, size.block_tokens - block.tokens, size.width);
  }
}

enum class Layout : uint8_t { kPlain, kTransposed };

/// C [m, n] (+)= A [m, k] B [k, n] of matrices without gaps, on the calling thread.
template <class C>
void block_product(float* c, const C* a, Layout a_layout, const C* b, Layout b_layout, int64_t m,
                   int64_t n, int64_t k, GradMode mode) {
  const bool a_plain = a_layout == Layout::kPlain;
  const bool b_plain = b_layout == Layout::kPlain;
  cpu::gemm({.in = dtype_of<C>(),
             .out = DType::kF32,
             .m = m,
             .n = n,
             .k = k,
             .a_row_stride = a_plain ? k : 1,
             .a_col_stride = a_plain ? 1 : m,
             .b_row_stride = b_plain ? n : 1,
             .b_col_stride = b_plain ? 1 : k,
             .c_row_stride = n,
             .accumulate = mode == GradMode::kAccumulate,
             .caller_only = true},
            c, a, b);
}

/// Calls f with the type that the block products multiply in.
template <class F>
void with_product_type(DType dtype, const F& f) {
  if (dtype == DType::kBF16 && cpu::bf16_gemm_is_native()) {
    f(TypeTag<BFloat16>{});
  } else {
    f(TypeTag<float>{});
  }
}

LCKV_CPU_END
