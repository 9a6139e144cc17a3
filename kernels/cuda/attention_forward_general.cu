#include <numbers>

#include "lckv/kernels/cuda/attention_general.cuh"

namespace lckv::ops::cuda {
namespace {

template <class T>
struct ForwardArgs {
  HeadRows<T> out;
  HeadStatistics<Acc<T>> lse;
  HeadRows<const T> q, k, v;
  MaskBounds mask;
  AttentionSizes sizes;
  Acc<T> scale_log2;
};

/// A warp per query: scores of 32 keys at a time, one per lane, weighed by online softmax.
template <class T>
__global__ void __launch_bounds__(kGeneralThreads)
    forward_kernel(const __grid_constant__ ForwardArgs<T> args) {
  using A = Acc<T>;
  extern __shared__ __align__(16) unsigned char shared_memory[];
  const AttentionSizes& size = args.sizes;
  const WarpRow row(size.batch, size.heads, size.queries);
  if (!row.exists) return;
  A* const q = warp_array<A>(shared_memory, 2, 0, size.width);
  A* const out = warp_array<A>(shared_memory, 2, 1, size.width);
  stage_row(q, args.q.row(row.b, row.t, row.h), size.width);
  clear_row(out, size.width);
  __syncwarp();

  const SequenceMask mask(args.mask, row.b);
  const int end = mask.end(row.t);
  const T* const k = args.k.head(row.b, row.h / size.group);
  const T* const v = args.v.head(row.b, row.h / size.group);
  A largest = -infinity<A>(), sum = 0;
  for (int first = mask.begin(row.t); first < end; first += 32) {
    const int j = first + general_lane();
    A s = -infinity<A>();
    if (j < end) s = row_product(q, k + j * args.k.token_stride, size.width) * args.scale_log2;
    const A before = largest;
    largest = max(before, warp_max(s));
    const A keep = exp2(before - largest);
    const A weight = exp2(s - largest);
    sum = sum * keep + weight;
    add_weighted_rows(out, keep, weight, v, args.v.token_stride, first, min(32, end - first),
                      size.width);
  }
  sum = warp_sum(sum);
  const A factor = sum == 0 ? A{0} : A{1} / sum;
  T* const to = args.out.row(row.b, row.t, row.h);
  for (int d = general_lane(); d < size.width; d += 32) to[d] = narrow<T>(out[d] * factor);
  if (general_lane() == 0) {
    args.lse.at(row.b, row.h, row.t) =
        sum == 0 ? -infinity<A>() : largest * std::numbers::ln2_v<A> + log(sum);
  }
}

template <class T>
void run(const AttentionInputs& in, const View& out, const View& lse) {
  using A = Acc<T>;
  const ForwardArgs<T> args{
      head_rows<T>(out),  head_statistics<A>(lse),
      head_rows<T>(in.q), head_rows<T>(in.k),
      head_rows<T>(in.v), in.mask,
      in.sizes,           static_cast<A>(in.sizes.scale * std::numbers::log2e)};
  const int64_t rows = int64_t{1} * in.sizes.batch * in.sizes.heads * in.sizes.queries;
  const int bytes = warp_arrays_bytes<A>(2, in.sizes.width);
  allow_shared_bytes("attention_forward", forward_kernel<T>, bytes);
  forward_kernel<T><<<general_blocks(rows), kGeneralThreads, bytes, native(in.stream)>>>(args);
  check_launch("attention_forward");
}

}  // namespace

void forward_general(const AttentionInputs& in, const View& out, const View& lse) {
  with_device_type(in.q.dtype(),
                   [&](auto tag) { run<typename decltype(tag)::type>(in, out, lse); });
}

}  // namespace lckv::ops::cuda
