#pragma once

#include <algorithm>
#include <cstdint>

#include "lckv/tensor/dtype.h"

/// Scratch memory that ops take of a GPU's stream (Stream::scratch), by shape: known before it is
/// taken and where there is no GPU. For each of its uses a stream keeps the most that was ever
/// asked for. What attention of cuDNN takes only cuDNN knows: attention_backend.h.
namespace lckv::ops {

/// Of every product; what NVIDIA recommends for Hopper.
constexpr int64_t matmul_scratch_bytes() { return int64_t{32} << 20; }

/// Blocks that rmsnorm_backward cuts its rows among, two for each of 132 multiprocessors: the sum
/// depends on the shape alone, and all blocks run at once.
inline constexpr int64_t kRmsnormBackwardBlocks = 264;

/// x [N, C]: a row of sums per block. At most; exact where the blocks divide N.
inline int64_t rmsnorm_backward_scratch_bytes(int64_t N, int64_t C, DType sums) {
  return std::min(N, kRmsnormBackwardBlocks) * C * size_bytes(sums);
}

/// The tiles of our own attention_backward lie inside of so many queries.
inline constexpr int64_t kAttentionQueryPadding = 128;

/// Of our own kernels, q [B, T, Hq, D]: two numbers of the dtype of lse per query and head.
inline int64_t own_attention_backward_scratch_bytes(int64_t B, int64_t T, int64_t Hq, DType lse) {
  const int64_t padded =
      (T + kAttentionQueryPadding - 1) / kAttentionQueryPadding * kAttentionQueryPadding;
  return B * Hq * padded * 2 * size_bytes(lse);
}

/// N I32 tokens of V_tp rows, sorted: five arrays, and about two more of CUB's sort.
constexpr int64_t embedding_backward_scratch_bytes(int64_t N, int64_t V_tp) {
  constexpr int64_t kDigitCounts = int64_t{64} << 10;  // at least; of long sorts N / 4
  return 6 * 4 * N + 4 * (V_tp + 1) + kDigitCounts + N / 4;
}

}  // namespace lckv::ops
