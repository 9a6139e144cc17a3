#include <numbers>

#include "lckv/kernels/cuda/attention_paths.h"

namespace lckv::ops::cuda {
namespace {

constexpr int kThreads = 256;

template <class T>
struct StatisticsArgs {
  StatisticsTable<Acc<T>> table;
  HeadRows<const T> dout, out;
  HeadStatistics<const Acc<T>> lse;
  int queries, width;
  bool in_chunks;  // dout and out
  int blocks_per_sequence;
};

/// One lane's part of a row's dout . out.
template <int kLanes, class T>
__device__ Acc<T> part_of_delta(const T* dout, const T* out, int width, bool in_chunks) {
  const int lane = static_cast<int>(threadIdx.x) % kLanes;
  Acc<T> sum = 0;
  if (in_chunks) {
    constexpr int kCount = Pack<T>::kCount;
    for (int d = lane * kCount; d < width; d += kLanes * kCount) {
      const Pack<T> x = load_pack(dout + d), y = load_pack(out + d);
#pragma unroll
      for (int i = 0; i < kCount; ++i) sum += widen(x[i]) * widen(y[i]);
    }
  } else {
    for (int d = lane; d < width; d += kLanes) sum += widen(dout[d]) * widen(out[d]);
  }
  return sum;
}

/// kLanes lanes per (sequence, query, head), heads fastest as in memory.
template <int kLanes, class T>
__global__ void __launch_bounds__(kThreads)
    statistics_kernel(const __grid_constant__ StatisticsArgs<T> args) {
  using A = Acc<T>;
  const int b = static_cast<int>(blockIdx.x) / args.blocks_per_sequence;
  const int block = static_cast<int>(blockIdx.x) % args.blocks_per_sequence;
  const int row = block * (kThreads / kLanes) + static_cast<int>(threadIdx.x) / kLanes;
  const int i = row / args.table.heads;
  const int h = row % args.table.heads;
  QueryStatistics<A> statistics{static_cast<A>(INFINITY), 0};
  if (i < args.queries) {
    const A lse = args.lse.at(b, h, i);
    if (lse != static_cast<A>(-INFINITY)) statistics.lse_log2 = lse * std::numbers::log2e_v<A>;
    statistics.delta = part_of_delta<kLanes>(args.dout.row(b, i, h), args.out.row(b, i, h),
                                             args.width, args.in_chunks);
  }
#pragma unroll
  for (int offset = kLanes / 2; offset > 0; offset /= 2) {
    statistics.delta += __shfl_xor_sync(0xFFFFFFFFu, statistics.delta, offset);
  }
  if (threadIdx.x % kLanes == 0) args.table.head(b, h)[i] = statistics;
}

template <int kLanes, class T>
void launch(const AttentionInputs& in, StatisticsArgs<T> args) {
  // The padding leaves no block without all of its rows.
  static_assert(kStatisticsPadding % (kThreads / kLanes) == 0);
  args.blocks_per_sequence = args.table.padded_queries * args.table.heads / (kThreads / kLanes);
  const int blocks = in.sizes.batch * args.blocks_per_sequence;
  statistics_kernel<kLanes><<<blocks, kThreads, 0, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

template <class T>
void run(const AttentionInputs& in, const StatisticsTable<Acc<T>>& table, const ConstView& dout,
         const ConstView& out, const ConstView& lse) {
  const StatisticsArgs<T> args{table,
                               head_rows<T>(dout),
                               head_rows<T>(out),
                               head_statistics<Acc<T>>(lse),
                               in.sizes.queries,
                               in.sizes.width,
                               in_chunks<T>(dout) && in_chunks<T>(out),
                               0};
  // Eight lanes read 128 bytes of bf16 or more with one instruction each.
  if (args.in_chunks && in.sizes.width <= 128) {
    launch<8>(in, args);
  } else {
    launch<32>(in, args);
  }
}

}  // namespace

template <class A>
void query_statistics(const AttentionInputs& in, const StatisticsTable<A>& table,
                      const ConstView& dout, const ConstView& out, const ConstView& lse) {
  with_device_type(in.q.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (std::is_same_v<Acc<T>, A>) run<T>(in, table, dout, out, lse);
  });
}
template void query_statistics(const AttentionInputs&, const StatisticsTable<float>&,
                               const ConstView&, const ConstView&, const ConstView&);
template void query_statistics(const AttentionInputs&, const StatisticsTable<double>&,
                               const ConstView&, const ConstView&, const ConstView&);

}  // namespace lckv::ops::cuda
