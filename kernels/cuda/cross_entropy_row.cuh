#pragma once

#include <limits>

#include "lckv/kernels/cuda/vectors.cuh"
#include "lckv/kernels/ops/cross_entropy.h"

/// One row of logits in a block: its normalizer, its loss and its gradient. Pack p of a row belongs
/// to thread p % kThreads, however the row lies in memory and whichever kernel reads it: equal
/// logits give equal bits in all of them.
namespace lckv::ops::cuda {

/// Of one row of logits: sum_v exp(logits[v] - shift), shift = max_v.
template <class T>
struct Normalizer {
  T shift;
  double sum;
};

/// The logit of a column that is not there.
template <class T>
inline constexpr T kNoLogit = -std::numeric_limits<T>::infinity();

/// Finite, so that masked logits (-inf) ahead of all others do not make inf - inf.
template <class T>
inline constexpr T kLowest = std::numeric_limits<T>::lowest();

__device__ inline float exp_of(float x) { return expf(x); }
__device__ inline double exp_of(double x) { return exp(x); }

/// The larger of two; of a number and a NaN the number.
__device__ inline float larger(float a, float b) { return fmaxf(a, b); }
__device__ inline double larger(double a, double b) { return fmax(a, b); }

/// A row as a kernel finds it. Columns from `columns` on are never used, whatever they hold.
template <class T>
struct LogitsRow {
  static constexpr int kCount = Pack<T>::kCount;
  const T* data;
  int columns;
  bool whole_packs;  // may be loaded, the last one too: the row in memory ends with it or later

  __device__ int packs() const { return (columns + kCount - 1) / kCount; }
  __device__ Pack<T> load(int pack) const {
    const int first = pack * kCount;
    Pack<T> logits;
    if (whole_packs && first < columns) {
      logits = load_pack(data + first);
    } else {
#pragma unroll
      for (int i = 0; i < kCount; ++i)
        logits[i] = first + i < columns ? data[first + i] : kNoLogit<T>;
    }
    if (first + kCount > columns) {
#pragma unroll
      for (int i = 0; i < kCount; ++i) logits[i] = first + i < columns ? logits[i] : kNoLogit<T>;
    }
    return logits;
  }
};

/// The normalizer of the logits so far, with the largest of them as shift.
template <class T>
struct RunningSum {
  T shift = kLowest<T>;
  T sum = 0;

  __device__ void add(const Pack<T>& logits) {
    T largest = shift;
#pragma unroll
    for (int i = 0; i < Pack<T>::kCount; ++i) largest = larger(largest, logits[i]);
    if (largest > shift) {
      sum *= exp_of(shift - largest);
      shift = largest;
    }
    T terms = 0;
#pragma unroll
    for (int i = 0; i < Pack<T>::kCount; ++i) terms += exp_of(logits[i] - shift);
    sum += terms;
  }
};

/// Of 32 shares, one per lane, in one order for all lanes.
template <class T>
__device__ inline Normalizer<T> warp_normalizer(T shift, double sum) {
  const T largest = warp_max(shift);
  return {largest, warp_sum(sum * static_cast<double>(exp_of(shift - largest)))};
}

/// Of the block's shares. May be called again at once.
template <int kThreads, class T>
__device__ inline Normalizer<T> block_normalizer(const RunningSum<T>& own) {
  constexpr int kWarps = kThreads / 32;
  __shared__ T shifts[kWarps];
  __shared__ double sums[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Normalizer<T> share = warp_normalizer(own.shift, static_cast<double>(own.sum));
  __syncthreads();  // those before have been read
  if (lane == 0) {
    shifts[threadIdx.x / 32] = share.shift;
    sums[threadIdx.x / 32] = share.sum;
  }
  __syncthreads();
  const bool has = lane < kWarps;
  return warp_normalizer(has ? shifts[lane] : kLowest<T>, has ? sums[lane] : 0.0);
}

/// Known to every thread of the block, all of which must call it.
template <int kThreads, class T>
__device__ inline Normalizer<T> row_normalizer(const LogitsRow<T>& row) {
  constexpr int kAhead = 4;  // packs under way at once; those behind the row add 0
  RunningSum<T> own;
  const int packs = row.packs();
  for (int pack = static_cast<int>(threadIdx.x); pack < packs; pack += kThreads * kAhead) {
    Pack<T> logits[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) logits[k] = row.load(pack + k * kThreads);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) own.add(logits[k]);
  }
  return block_normalizer<kThreads>(own);
}

template <class T>
__device__ inline T nll_of(const Normalizer<T>& total, T target_logit) {
  return static_cast<T>(log(total.sum) +
                        (static_cast<double>(total.shift) - static_cast<double>(target_logit)));
}

/// The target of a row whose target is in another part of the vocabulary.
inline constexpr int kNoColumn = -1;

/// scale * (softmax - [v = target]) of one row.
template <class D, class T>
struct RowGradient {
  static constexpr int kCount = Pack<T>::kCount;
  using Values = Vector<D, kCount>;

  Normalizer<T> total;
  double scale;
  int target;   // a column or kNoColumn
  int columns;  // 0 behind them
  T factor;     // scale / total.sum

  __device__ bool has_target(int pack) const {
    return target != kNoColumn && pack == target / kCount;
  }
  __device__ Values of(int pack, const Pack<T>& logits) const {
    const int left = columns - pack * kCount;
    Values values;
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const T value = factor * exp_of(logits[i] - total.shift);
      values[i] = narrow<D>(i < left ? value : T{0});
    }
    if (has_target(pack)) {
      const D value = of_target(logit_of_target(logits));
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        values[i] = (bit_of_target() & (1u << i)) != 0 ? value : values[i];
      }
    }
    return values;
  }
  /// Bit i: element i of its pack is the target. Were elements compared with target % kCount, the
  /// compiler would index them by it and keep packs in memory instead of registers.
  __device__ unsigned bit_of_target() const { return 1u << (target % kCount); }

  /// From the pack that has it.
  __device__ T logit_of_target(const Pack<T>& logits) const {
    T logit = 0;
#pragma unroll
    for (int i = 0; i < kCount; ++i) logit = (bit_of_target() & (1u << i)) != 0 ? logits[i] : logit;
    return logit;
  }
  /// p - 1 in double: exact where the model is sure of the target.
  __device__ D of_target(T logit) const {
    const double p = exp(static_cast<double>(logit) - static_cast<double>(total.shift)) / total.sum;
    return narrow<D>(static_cast<T>(scale * (p - 1)));
  }
};

/// Columns first .. of a gradient's row with `columns` of them in memory.
template <class D, int kCount>
__device__ inline void store_columns(D* row, int first, int columns, bool whole,
                                     const Vector<D, kCount>& values) {
  if (whole) {
    store_vector(row + first, values);
    return;
  }
#pragma unroll
  for (int i = 0; i < kCount; ++i) {
    if (first + i < columns) row[first + i] = values[i];
  }
}

/// Calls f(Width<threads>) with the threads that a row of so many columns gets: everywhere the
/// same, for they decide the order of its sum.
template <class F>
void with_row_threads(int64_t columns, const F& f) {
  if (columns <= 4096) {
    f(Width<256>{});
  } else {
    f(Width<1024>{});
  }
}

}  // namespace lckv::ops::cuda
