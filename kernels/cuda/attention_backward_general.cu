#include <numbers>

#include "lckv/kernels/cuda/attention_general.cuh"

namespace lckv::ops::cuda {
namespace {

template <class T>
struct BackwardArgs {
  HeadRows<T> dq;
  HeadRows<Acc<T>> dk, dv;
  HeadRows<const T> dout, q, k, v;
  StatisticsTable<Acc<T>> statistics;
  MaskBounds mask;
  AttentionSizes sizes;
  bool accumulate;
  Acc<T> scale, scale_log2;
};

/// p = 2^(scale_log2 s - lse_log2)    ds = p (dp - delta)
template <class A>
struct PairGradient {
  A p = 0, ds = 0;

  __device__ void set(A s, A dp, const QueryStatistics<A>& query, A scale_log2) {
    p = exp2(s * scale_log2 - query.lse_log2);
    ds = p * (dp - query.delta);
  }
};

/// A warp per query: dq.
template <class T>
__global__ void __launch_bounds__(kGeneralThreads)
    queries_kernel(const __grid_constant__ BackwardArgs<T> args) {
  using A = Acc<T>;
  extern __shared__ __align__(16) unsigned char shared_memory[];
  const AttentionSizes& size = args.sizes;
  const WarpRow row(size.batch, size.heads, size.queries);
  if (!row.exists) return;
  A* const q = warp_array<A>(shared_memory, 3, 0, size.width);
  A* const dout = warp_array<A>(shared_memory, 3, 1, size.width);
  A* const dq = warp_array<A>(shared_memory, 3, 2, size.width);
  stage_row(q, args.q.row(row.b, row.t, row.h), size.width);
  stage_row(dout, args.dout.row(row.b, row.t, row.h), size.width);
  clear_row(dq, size.width);
  __syncwarp();

  const SequenceMask mask(args.mask, row.b);
  const int end = mask.end(row.t);
  const T* const k = args.k.head(row.b, row.h / size.group);
  const T* const v = args.v.head(row.b, row.h / size.group);
  const QueryStatistics<A> statistics = args.statistics.head(row.b, row.h)[row.t];
  for (int first = mask.begin(row.t); first < end; first += 32) {
    const int j = first + general_lane();
    PairGradient<A> pair;
    if (j < end) {
      const A s = row_product(q, k + j * args.k.token_stride, size.width);
      const A dp = row_product(dout, v + j * args.v.token_stride, size.width);
      pair.set(s, dp, statistics, args.scale_log2);
    }
    add_weighted_rows(dq, A{1}, pair.ds, k, args.k.token_stride, first, min(32, end - first),
                      size.width);
  }
  T* const to = args.dq.row(row.b, row.t, row.h);
  for (int d = general_lane(); d < size.width; d += 32) to[d] = narrow<T>(dq[d] * args.scale);
}

template <class A>
__device__ void store_sums(A* to, const A* sums, A factor, int width, bool accumulate) {
  for (int d = general_lane(); d < width; d += 32) {
    to[d] = sums[d] * factor + (accumulate ? to[d] : A{0});
  }
}

/// A warp per key: dk and dv, over the heads of its group and their queries in ascending order.
template <class T>
__global__ void __launch_bounds__(kGeneralThreads)
    keys_kernel(const __grid_constant__ BackwardArgs<T> args) {
  using A = Acc<T>;
  extern __shared__ __align__(16) unsigned char shared_memory[];
  const AttentionSizes& size = args.sizes;
  const WarpRow row(size.batch, size.kv_heads, size.keys);
  if (!row.exists) return;
  A* const k = warp_array<A>(shared_memory, 4, 0, size.width);
  A* const v = warp_array<A>(shared_memory, 4, 1, size.width);
  A* const dk = warp_array<A>(shared_memory, 4, 2, size.width);
  A* const dv = warp_array<A>(shared_memory, 4, 3, size.width);
  stage_row(k, args.k.row(row.b, row.t, row.h), size.width);
  stage_row(v, args.v.row(row.b, row.t, row.h), size.width);
  clear_row(dk, size.width);
  clear_row(dv, size.width);
  __syncwarp();

  const SeeingQueries seeing(SequenceMask(args.mask, row.b), row.t, 1);
  for (int h = row.h * size.group; h < (row.h + 1) * size.group; ++h) {
    const T* const q = args.q.head(row.b, h);
    const T* const dout = args.dout.head(row.b, h);
    const QueryStatistics<A>* const statistics = args.statistics.head(row.b, h);
    for (int first = seeing.any_begin; first < seeing.any_end; first += 32) {
      const int i = first + general_lane();
      PairGradient<A> pair;
      if (i < seeing.any_end) {
        const A s = row_product(k, q + i * args.q.token_stride, size.width);
        const A dp = row_product(v, dout + i * args.dout.token_stride, size.width);
        pair.set(s, dp, statistics[i], args.scale_log2);
      }
      const int count = min(32, seeing.any_end - first);
      add_weighted_rows(dk, A{1}, pair.ds, q, args.q.token_stride, first, count, size.width);
      add_weighted_rows(dv, A{1}, pair.p, dout, args.dout.token_stride, first, count, size.width);
    }
  }
  store_sums(args.dk.row(row.b, row.t, row.h), dk, args.scale, size.width, args.accumulate);
  store_sums(args.dv.row(row.b, row.t, row.h), dv, A{1}, size.width, args.accumulate);
}

template <class T>
BackwardArgs<T> backward_args(const AttentionInputs& in, const StatisticsTable<Acc<T>>& table,
                              const ConstView& dout) {
  return {{},
          {},
          {},
          head_rows<T>(dout),
          head_rows<T>(in.q),
          head_rows<T>(in.k),
          head_rows<T>(in.v),
          table,
          in.mask,
          in.sizes,
          false,
          static_cast<Acc<T>>(in.sizes.scale),
          static_cast<Acc<T>>(in.sizes.scale * std::numbers::log2e)};
}

template <class T>
void launch(void (*kernel)(BackwardArgs<T>), const BackwardArgs<T>& args, const AttentionInputs& in,
            int64_t rows, int arrays) {
  const int bytes = warp_arrays_bytes<Acc<T>>(arrays, in.sizes.width);
  allow_shared_bytes("attention_backward", kernel, bytes);
  kernel<<<general_blocks(rows), kGeneralThreads, bytes, native(in.stream)>>>(args);
  check_launch("attention_backward");
}

/// Calls f with the type of q, whose sums have type A.
template <class A, class F>
void with_type_of_sums(const AttentionInputs& in, const F& f) {
  with_device_type(in.q.dtype(), [&](auto tag) {
    if constexpr (std::is_same_v<Acc<typename decltype(tag)::type>, A>) f(tag);
  });
}

}  // namespace

template <class A>
void backward_queries_general(const AttentionInputs& in, const StatisticsTable<A>& table,
                              const View& dq, const ConstView& dout) {
  with_type_of_sums<A>(in, [&](auto tag) {
    using T = typename decltype(tag)::type;
    BackwardArgs<T> args = backward_args<T>(in, table, dout);
    args.dq = head_rows<T>(dq);
    const AttentionSizes& size = in.sizes;
    launch(queries_kernel<T>, args, in, int64_t{1} * size.batch * size.heads * size.queries, 3);
  });
}

template <class A>
void backward_keys_general(const AttentionInputs& in, const StatisticsTable<A>& table,
                           const View& dk, const View& dv, const ConstView& dout, GradMode mode) {
  with_type_of_sums<A>(in, [&](auto tag) {
    using T = typename decltype(tag)::type;
    BackwardArgs<T> args = backward_args<T>(in, table, dout);
    args.dk = head_rows<A>(dk);
    args.dv = head_rows<A>(dv);
    args.accumulate = mode == GradMode::kAccumulate;
    const AttentionSizes& size = in.sizes;
    launch(keys_kernel<T>, args, in, int64_t{1} * size.batch * size.kv_heads * size.keys, 4);
  });
}

template void backward_queries_general(const AttentionInputs&, const StatisticsTable<float>&,
                                       const View&, const ConstView&);
template void backward_queries_general(const AttentionInputs&, const StatisticsTable<double>&,
                                       const View&, const ConstView&);
template void backward_keys_general(const AttentionInputs&, const StatisticsTable<float>&,
                                    const View&, const View&, const ConstView&, GradMode);
template void backward_keys_general(const AttentionInputs&, const StatisticsTable<double>&,
                                    const View&, const View&, const ConstView&, GradMode);

}  // namespace lckv::ops::cuda
