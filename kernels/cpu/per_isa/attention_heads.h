#pragma once

#include "lckv/kernels/cpu/per_isa/kernels.h"

LCKV_CPU_BEGIN

/// The rows of a [B, T, heads, D] view: one row of D contiguous elements per (sequence, token,
/// head).
template <class T>
struct HeadRows {
  T* data;
  int64_t sequence_stride;
  int64_t token_stride;
  int64_t head_stride;

  T* row(int64_t b, int64_t t, int64_t h) const {
    return data + b * sequence_stride + t * token_stride + h * head_stride;
  }
};

template <class T>
HeadRows<const T> head_rows(const ConstView& view) {
  return {view.data<T>(), view.stride(0), view.stride(1), view.stride(2)};
}

template <class T>
HeadRows<T> head_rows(const View& view) {
  return {view.data<T>(), view.stride(0), view.stride(1), view.stride(2)};
}

/// One number per (sequence, head, token) of a [B, heads, T] view.
template <class T>
struct HeadStatistics {
  T* data;
  int64_t sequence_stride;
  int64_t head_stride;
  int64_t token_stride;

  T& at(int64_t b, int64_t h, int64_t t) const {
    return data[b * sequence_stride + h * head_stride + t * token_stride];
  }
};

template <class T>
HeadStatistics<const T> head_statistics(const ConstView& view) {
  return {view.data<T>(), view.stride(0), view.stride(1), view.stride(2)};
}

template <class T>
HeadStatistics<T> head_statistics(const View& view) {
  return {view.data<T>(), view.stride(0), view.stride(1), view.stride(2)};
}

LCKV_CPU_END
