#pragma once

#include "lckv/kernels/cuda/launch.cuh"
#include "lckv/kernels/ops/paged_attention.h"

/// The ways that paged_attention_forward can go on CUDA.
namespace lckv::ops::cuda {

/// Rows of a [pages, P, Hkv, D] view.
template <class T>
struct PageRows {
  const T* data;
  int64_t page_stride, token_stride, head_stride;  // elements
};

/// The arguments as kernels see them.
template <class T>
struct PagedCall {
  T* out;
  const T *q, *q_sinks;  // q_sinks is q where there are none
  int64_t out_row, out_head, q_row, q_head, sinks_row, sinks_head;  // strides
  PageRows<T> k, v;
  const int32_t *page_table, *sequence, *begin, *end, *sink_end;  // sink_end may be null
  int64_t table_row;
  int32_t page_tokens;
  int queries, kv_heads, group, width;
  int sequences, most_keys;  // rows of the page table; keys that one of them has room for
  double scale;
};

/// Any shape, a query at a time.
template <class T>
void paged_general(const Stream& stream, const PagedCall<T>& call, bool wide);

/// Whether paged_mma can: heads of 64 or 128, at most 16 query heads per key/value head, k and v
/// with the same strides, all rows in chunks of 16 bytes.
bool fits_paged_mma(const PagedCall<__nv_bfloat16>& call);

/// Tensor cores; neighbouring queries of a sequence share what is read, long sequences are cut
/// among blocks. Which queries are neighbours, and how many blocks there are, changes no bit.
void paged_mma(const Stream& stream, const PagedCall<__nv_bfloat16>& call);

}  // namespace lckv::ops::cuda
