#pragma once

#include "lckv/kernels/cpu/per_isa/attention_softmax.h"
#include "lckv/kernels/cpu/per_isa/parallel.h"

// Products with a few rows, as decoding has them: each weight is read once and used a few times, so
// that memory is the limit. oneDNN, made for many rows, reaches a third of it.
LCKV_CPU_BEGIN

inline constexpr int64_t kThinRows = 4;

/// out[r] = x[r] . w for R rows that lie x_stride apart.
template <int R, class T>
void thin_dots(float (&out)[R], const T* w, const T* x, int64_t x_stride, int64_t count) {
  float sums[R][kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (int r = 0; r < R; ++r) {
      const T* const row = x + r * x_stride + i;
#pragma omp simd
      for (int64_t lane = 0; lane < kLanes; ++lane) {
        sums[r][lane] += to_acc(w[i + lane]) * to_acc(row[lane]);
      }
    }
  }
  for (; i < count; ++i) {
    for (int r = 0; r < R; ++r) sums[r][i % kLanes] += to_acc(w[i]) * to_acc(x[r * x_stride + i]);
  }
  for (int r = 0; r < R; ++r) out[r] = sum_of_lanes(sums[r]);
}

template <int R, class T, class Y>
void thin_rows(const View& y, const ConstView& x, const ConstView& w, const ConstView& residual) {
  const int64_t outputs = w.dim(0), count = w.dim(1);
  const T *const weights = w.data<T>(), *const in = x.data<T>();
  Y* const to = y.data<Y>();
  const Y* const added = residual ? residual.data<Y>() : nullptr;
  const int64_t x_stride = x.stride(0), y_stride = y.stride(0);
  const int64_t added_stride = residual ? residual.stride(0) : 0;
  parallel_ranges(outputs, outputs * count, [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      float sums[R];
      thin_dots<R>(sums, weights + o * w.stride(0), in, x_stride, count);
      for (int r = 0; r < R; ++r) {
        const float sum =
            added == nullptr ? sums[r] : sums[r] + to_acc(added[r * added_stride + o]);
        to[r * y_stride + o] = from_acc<Y>(sum);
      }
    }
  });
}

/// y = x w^T (+ residual) of 1 to kThinRows rows; BF16 or F32.
template <class T, class Y>
void thin_product(const View& y, const ConstView& x, const ConstView& w,
                  const ConstView& residual) {
  switch (x.dim(0)) {
    case 1:
      return thin_rows<1, T, Y>(y, x, w, residual);
    case 2:
      return thin_rows<2, T, Y>(y, x, w, residual);
    case 3:
      return thin_rows<3, T, Y>(y, x, w, residual);
    default:
      return thin_rows<4, T, Y>(y, x, w, residual);
  }
}

LCKV_CPU_END
