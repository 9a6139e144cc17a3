#include <omp.h>

#include "lckv/kernels/cpu/per_isa/attention_backward_pair.h"
#include "lckv/kernels/cpu/per_isa/attention_double.h"
#include "lckv/kernels/cpu/per_isa/parallel_tasks.h"

LCKV_CPU_BEGIN
namespace {

/// delta = dout . out of every query, in memory of the calling thread.
template <class T>
HeadStatistics<const float> output_dots(const AttentionSizes& size, const ConstView& dout,
                                        const ConstView& out) {
  static thread_local cpu::ThreadScratch memory;
  auto* delta = static_cast<float*>(
      memory.reserve(size.batch * size.heads * size.queries * static_cast<int64_t>(sizeof(float))));
  const auto x = head_rows<T>(dout), y = head_rows<T>(out);
  parallel_tasks(size.batch * size.heads, [&](int64_t task) {
    const int64_t b = task / size.heads, h = task % size.heads;
    for (int64_t t = 0; t < size.queries; ++t) {
      delta[task * size.queries + t] = row_dot(x.row(b, t, h), y.row(b, t, h), size.width);
    }
  });
  return {delta, size.heads * size.queries, size.queries, 1};
}

/// Whether one task per (sequence, key/value head) keeps the threads busy enough: it needs five
/// products per piece, separate tasks for dk, dv and for dq need seven but divide as finely as one
/// likes.
bool one_task_per_pair(int64_t pairs, int64_t threads) {
  const int64_t rounds = (pairs + threads - 1) / threads;
  return 5 * rounds * threads <= 7 * pairs;
}

template <class T, class C>
void run_backward(BackwardArgs args) {
  const AttentionSizes& size = args.size;
  args.delta = output_dots<T>(size, args.dout, args.out);
  const int64_t pairs = size.batch * size.kv_heads;
  if (one_task_per_pair(pairs, omp_get_max_threads())) {
    parallel_tasks(pairs,
                   [&](int64_t pair) { BackwardPair<T, C>(args, pair, size.query_blocks).all(); });
    return;
  }
  const int64_t key_tasks = args.dk ? pairs * size.key_blocks : 0;
  parallel_tasks(key_tasks + pairs * size.query_blocks, [&](int64_t task) {
    if (task < key_tasks) {
      BackwardPair<T, C>(args, task % pairs, 1).keys(task / pairs);
    } else {
      const int64_t rest = task - key_tasks;
      BackwardPair<T, C>(args, rest % pairs, 1).queries(size.query_blocks - 1 - rest / pairs);
    }
  });
}

}  // namespace

void attention_backward(Stream&, View dq, View dk, View dv, ConstView dout, ConstView out,
                        ConstView lse, ConstView q, ConstView k, ConstView v,
                        const AttentionMask& mask, GradMode mode) {
  if (q.dtype() == DType::kF64) {
    attention_backward_double(dq, dk, dv, dout, out, lse, q, k, v, mask, mode);
    return;
  }
  const AttentionSizes size(q, k);
  const BackwardArgs args{size, mask, mode, dq, dk, dv, dout, out, lse, q, k, v, {}};
  if (q.dtype() == DType::kF32) {
    run_backward<float, float>(args);
    return;
  }
  with_product_type(q.dtype(),
                    [&](auto tag) { run_backward<BFloat16, typename decltype(tag)::type>(args); });
}

LCKV_CPU_END
