#include <algorithm>

#include "lckv/kernels/cuda/cross_entropy_row.cuh"
#include "lckv/kernels/cuda/kernels.h"

namespace lckv::ops::cuda {
namespace {

/// The logits of one rank.
template <class T>
struct PartOfLogits {
  const T* logits;  // [N, V_tp]
  const int32_t* targets;
  int64_t N;
  int V_tp, columns;
  int64_t first_token;
  bool whole_packs;

  __device__ LogitsRow<T> row(int64_t n) const { return {logits + n * V_tp, columns, whole_packs}; }
  __device__ int column_of_target(int64_t n) const {
    const int32_t target = targets[n];
    const int64_t column = target - first_token;
    const bool here = target != kIgnoreTarget && column >= 0 && column < columns;
    return here ? static_cast<int>(column) : kNoColumn;
  }
};

template <class T>
PartOfLogits<T> part_of(const ConstView& logits, const ConstView& targets,
                        const VocabularyPart& vocabulary) {
  const T* const data = device_data<T>(logits);
  return {data,
          device_data<int32_t>(targets),
          logits.dim(0),
          static_cast<int>(logits.dim(1)),
          static_cast<int>(vocabulary.columns),
          vocabulary.first_token,
          fits_vectors<Pack<T>::kCount>(data, logits.dim(1))};
}

/// part [3, N]
template <int kThreads, class T>
__global__ __launch_bounds__(kThreads) void part_kernel(double* part, PartOfLogits<T> of) {
  const int64_t n = blockIdx.x;
  const LogitsRow<T> row = of.row(n);
  const Normalizer<T> total = row_normalizer<kThreads>(row);
  if (threadIdx.x != 0) return;
  const int target = of.column_of_target(n);
  // The largest logit adds 1 to the sum: at 0 there was none above -inf.
  part[n] = total.sum == 0 ? kNoLogit<double> : static_cast<double>(total.shift);
  part[of.N + n] = total.sum;
  part[2 * of.N + n] = target == kNoColumn ? 0.0 : static_cast<double>(row.data[target]);
}

constexpr int kJoinThreads = 128;

/// Row n of the parts of R ranks: [R, 3, N].
struct RowOfParts {
  const double* parts;
  int64_t R, N, n;

  __device__ double at(int64_t r, int64_t which) const { return parts[(r * 3 + which) * N + n]; }

  /// No logit above -inf anywhere: -inf - -inf, a NaN, goes into the sum.
  __device__ Normalizer<double> normalizer() const {
    Normalizer<double> total{kNoLogit<double>, 0};
    for (int64_t r = 0; r < R; ++r) total.shift = larger(total.shift, at(r, 0));
    for (int64_t r = 0; r < R; ++r) total.sum += at(r, 1) * exp(at(r, 0) - total.shift);
    return total;
  }
  __device__ double target_logit() const {
    double sum = 0;
    for (int64_t r = 0; r < R; ++r) sum += at(r, 2);
    return sum;
  }
};

/// total [2, N]
template <class T>
__global__ __launch_bounds__(kJoinThreads) void join_kernel(T* nll, double* total,
                                                            const double* parts,
                                                            const int32_t* targets, int64_t R,
                                                            int64_t N) {
  const int64_t n = int64_t{blockIdx.x} * kJoinThreads + threadIdx.x;
  if (n >= N) return;
  const RowOfParts row{parts, R, N, n};
  const Normalizer<double> joined = row.normalizer();
  total[n] = joined.shift;
  total[N + n] = joined.sum;
  const bool scored = targets[n] != kIgnoreTarget;
  nll[n] = scored ? static_cast<T>(nll_of(joined, row.target_logit())) : T{0};
}

/// dlogits may be logits: a thread reads its columns before it writes them.
template <int kThreads, class D, class T>
__global__ __launch_bounds__(kThreads) void part_backward_kernel(D* dlogits, PartOfLogits<T> of,
                                                                 const double* total,
                                                                 const double* scale,
                                                                 bool whole_packs) {
  constexpr int kCount = Pack<T>::kCount;
  constexpr int kAhead = 4;  // packs under way at once
  const int64_t n = blockIdx.x;
  LogitsRow<T> row = of.row(n);
  if (of.targets[n] == kIgnoreTarget) row.columns = 0;
  const double sum = total[of.N + n], factor = *scale;
  // The maximum is one of the logits: exact in T.
  const RowGradient<D, T> gradient{{static_cast<T>(total[n]), sum},
                                   factor,
                                   of.column_of_target(n),
                                   row.columns,
                                   static_cast<T>(factor / sum)};
  const int packs = (of.V_tp + kCount - 1) / kCount;
  for (int pack = static_cast<int>(threadIdx.x); pack < packs; pack += kThreads * kAhead) {
    Pack<T> logits[kAhead];
#pragma unroll
    for (int k = 0; k < kAhead; ++k) logits[k] = row.load(pack + k * kThreads);
#pragma unroll
    for (int k = 0; k < kAhead; ++k) {
      const int at = pack + k * kThreads;
      if (at >= packs) continue;
      store_columns(dlogits + n * of.V_tp, at * kCount, of.V_tp, whole_packs,
                    gradient.of(at, logits[k]));
    }
  }
}

}  // namespace

void cross_entropy_part(Stream& stream, View part, ConstView logits, ConstView targets,
                        const VocabularyPart& vocabulary) {
  if (logits.dim(0) == 0) return;
  with_device_type(logits.dtype(), [&](auto tag) {
    using T = Acc<typename decltype(tag)::type>;
    const PartOfLogits<T> of = part_of<T>(logits, targets, vocabulary);
    with_row_threads(of.columns, [&](auto width) {
      constexpr int kThreads = decltype(width)::value;
      part_kernel<kThreads>
          <<<blocks_of(of.N, 1), kThreads, 0, native(stream)>>>(device_data<double>(part), of);
      check_launch("cross_entropy_part");
    });
  });
}

void cross_entropy_join(Stream& stream, View nll, View total, ConstView parts, ConstView targets) {
  const int64_t R = parts.dim(0);
  const int64_t N = parts.dim(2);
  if (N == 0) return;
  with_device_type(nll.dtype(), [&](auto tag) {
    using T = Acc<typename decltype(tag)::type>;
    join_kernel<<<blocks_of(N, kJoinThreads), kJoinThreads, 0, native(stream)>>>(
        device_data<T>(nll), device_data<double>(total), device_data<double>(parts),
        device_data<int32_t>(targets), R, N);
    check_launch("cross_entropy_join");
  });
}

void cross_entropy_part_backward(Stream& stream, View dlogits, ConstView logits, ConstView total,
                                 ConstView targets, const VocabularyPart& vocabulary,
                                 ConstView scale) {
  if (logits.numel() == 0) return;
  with_device_type(dlogits.dtype(), [&](auto tag) {
    using D = typename decltype(tag)::type;
    using T = Acc<D>;
    constexpr int kThreads = 256;
    const PartOfLogits<T> of = part_of<T>(logits, targets, vocabulary);
    D* const to = device_data<D>(dlogits);
    const bool whole_packs = of.whole_packs && fits_vectors<Pack<T>::kCount>(to, of.V_tp);
    part_backward_kernel<kThreads><<<blocks_of(of.N, 1), kThreads, 0, native(stream)>>>(
        to, of, device_data<double>(total), device_data<double>(scale), whole_packs);
    check_launch("cross_entropy_part_backward");
  });
}

}  // namespace lckv::ops::cuda
