#pragma once

#include "lckv/kernels/cuda/launch.cuh"
#include "lckv/kernels/ops/attention.h"

namespace lckv::ops::cuda {

/// AttentionMask in the form that kernels read. Query i sees the keys from begin(i) up to end(i),
/// and neither bound ever decreases along the queries: what a tile of queries sees follows from its
/// first and last one, and so does what all of them see.
struct MaskBounds {
  int queries;
  int keys;
  int causal_end;            // keys before i + causal_end
  int window_start;          // keys from i + window_start on
  const int32_t* first_key;  // [B, Tq] or null
  int64_t first_key_sequence_stride;
  int64_t first_key_token_stride;
  const int32_t* key_lengths;  // [B] or null
  int64_t key_length_stride;

  /// Counts must be below 2^29.
  MaskBounds(const AttentionMask& mask, int64_t query_count, int64_t key_count);
};

/// The bounds of one sequence.
struct SequenceMask {
  int queries;
  int key_count;  // keys that exist: those past it are never read
  int causal_end;
  int window_start;
  const int32_t* first_key;
  int64_t first_key_stride;

  __device__ SequenceMask(const MaskBounds& bounds, int b)
      : queries(bounds.queries),
        key_count(bounds.keys),
        causal_end(bounds.causal_end),
        window_start(bounds.window_start),
        first_key(bounds.first_key),
        first_key_stride(bounds.first_key_token_stride) {
    if (first_key != nullptr) first_key += b * bounds.first_key_sequence_stride;
    if (bounds.key_lengths != nullptr) {
      key_count = min(key_count, bounds.key_lengths[b * bounds.key_length_stride]);
    }
  }

  __device__ int begin(int i) const {
    const int first = max(0, i + window_start);
    return first_key == nullptr ? first : max(first, first_key[i * first_key_stride]);
  }
  __device__ int end(int i) const { return min(key_count, i + causal_end); }

  /// The first query whose keys begin after `key`; `queries` if there is none.
  __device__ int first_query_past(int key) const {
    int high = min(queries, max(0, key - window_start + 1));
    if (first_key == nullptr) return high;
    int low = 0;
    while (low < high) {
      const int middle = (low + high) / 2;
      if (first_key[middle * first_key_stride] > key) {
        high = middle;
      } else {
        low = middle + 1;
      }
    }
    return low;
  }
};

/// What queries first .. last see: `any` of them, `all` of them. May be empty (begin >= end).
struct SeenKeys {
  int any_begin = 0, any_end = 0;
  int all_begin = 0, all_end = 0;

  __device__ SeenKeys(const SequenceMask& mask, int first, int last) {
    if (first > last) return;
    any_begin = mask.begin(first);
    any_end = mask.end(last);
    all_begin = mask.begin(last);
    all_end = mask.end(first);
  }
  __device__ bool none(int begin, int end) const { return end <= any_begin || begin >= any_end; }
  __device__ bool whole(int begin, int end) const { return begin >= all_begin && end <= all_end; }
};

/// The queries that see `any` of the keys first .. first+count-1, and those that see `all` of them.
struct SeeingQueries {
  int any_begin = 0, any_end = 0;
  int all_begin = 0, all_end = 0;

  __device__ SeeingQueries(const SequenceMask& mask, int first, int count) {
    if (first >= mask.key_count) return;
    const int last = first + count - 1;
    any_begin = max(0, first - mask.causal_end + 1);
    any_end = mask.first_query_past(last);
    if (last >= mask.key_count) return;
    all_begin = max(0, last - mask.causal_end + 1);
    all_end = mask.first_query_past(first);
  }
  __device__ bool none(int begin, int end) const { return end <= any_begin || begin >= any_end; }
  __device__ bool whole(int begin, int end) const { return begin >= all_begin && end <= all_end; }
};

}  // namespace lckv::ops::cuda
