#pragma once

#include "lckv/kernels/cuda/launch.cuh"
#include "lckv/kernels/ops/attention.h"
#include "lckv/kernels/scratch_bytes.h"

/// The tensors of attention as its kernels see them.
namespace lckv::ops::cuda {

/// The rows of a [B, T, heads, D] view: one row of D contiguous elements per (sequence, token,
/// head).
template <class T>
struct HeadRows {
  T* data;
  int64_t sequence_stride;
  int64_t token_stride;
  int64_t head_stride;

  /// Row of token 0; the next token's is token_stride further on.
  __device__ T* head(int b, int h) const { return data + b * sequence_stride + h * head_stride; }
  __device__ T* row(int b, int t, int h) const { return head(b, h) + t * token_stride; }
};

template <class T>
HeadRows<const T> head_rows(const ConstView& view) {
  return {device_data<T>(view), view.stride(0), view.stride(1), view.stride(2)};
}
template <class T>
HeadRows<T> head_rows(const View& view) {
  return {device_data<T>(view), view.stride(0), view.stride(1), view.stride(2)};
}

/// One number per (sequence, head, token) of a [B, heads, T] view.
template <class T>
struct HeadStatistics {
  T* data;
  int64_t sequence_stride;
  int64_t head_stride;
  int64_t token_stride;

  __device__ T& at(int b, int h, int t) const {
    return data[b * sequence_stride + h * head_stride + t * token_stride];
  }
};

template <class T>
HeadStatistics<const T> head_statistics(const ConstView& view) {
  return {device_data<T>(view), view.stride(0), view.stride(1), view.stride(2)};
}
template <class T>
HeadStatistics<T> head_statistics(const View& view) {
  return {device_data<T>(view), view.stride(0), view.stride(1), view.stride(2)};
}

/// What the backward kernels need to know of a query beside its rows.
template <class A>
struct alignas(2 * sizeof(A)) QueryStatistics {
  A lse_log2;  // log2 of the sum of exp; +inf where no key is visible, so that every weight is 0
  A delta;     // dout . out
};

/// The statistics of all queries, [B, Hq, padded Tq] without gaps: a tile of queries always lies
/// inside. Queries past the last have +inf, 0.
template <class A>
struct StatisticsTable {
  QueryStatistics<A>* data;
  int heads;
  int padded_queries;

  __device__ QueryStatistics<A>* head(int b, int h) const {
    return data + (static_cast<int64_t>(b) * heads + h) * padded_queries;
  }
};

inline constexpr int kStatisticsPadding = static_cast<int>(kAttentionQueryPadding);

/// Whether all rows of a [B, T, heads, D] view are whole 16-byte chunks.
template <class T>
bool in_chunks(const ConstView& view) {
  for (int axis = 0; axis < 3; ++axis) {
    if (view.dim(axis) > 1 && !fits_packs<T>(view.raw(), view.dim(3), view.stride(axis))) {
      return false;
    }
  }
  return fits_packs<T>(view.raw(), view.dim(3), view.dim(3));
}

struct AttentionSizes {
  int batch, queries, keys, heads, kv_heads, width;
  int group;     // query heads per key/value head
  double scale;  // 1 / sqrt(D)

  AttentionSizes(const ConstView& q, const ConstView& k);
};

}  // namespace lckv::ops::cuda
