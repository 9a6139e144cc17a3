#include <cmath>
#include <limits>
#include <vector>

#include "lckv/kernels/cpu/per_isa/attention_blocks.h"
#include "lckv/kernels/cpu/per_isa/attention_softmax.h"
#include "lckv/kernels/cpu/per_isa/paged_rows.h"
#include "lckv/kernels/cpu/per_isa/parallel_tasks.h"
#include "lckv/kernels/cpu/per_isa/scratch_layout.h"

LCKV_CPU_BEGIN
namespace {

/// What a call has in common.
struct PagedSizes {
  int64_t heads, kv_heads, width;
  int64_t group;  // query heads per key/value head
  float scale_log2;

  PagedSizes(const ConstView& q, const ConstView& k)
      : heads(q.dim(1)),
        kv_heads(k.dim(2)),
        width(q.dim(2)),
        group(heads / kv_heads),
        scale_log2(
            static_cast<float>(std::numbers::log2e / std::sqrt(static_cast<double>(width)))) {}

  /// Queries of one head in a block.
  int64_t most_tokens() const { return std::max<int64_t>(1, kQueryRows / group); }
};

/// Queries first .. first+count-1, neighbours of one sequence.
struct QueryRun {
  int64_t first, count, sequence;
  // A power of two: few different shapes of products, each prepared once.
  int64_t tokens() const {
    return static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(count)));
  }
};

std::vector<QueryRun> split_runs(const ConstView& sequence, int64_t most_tokens) {
  const auto* const of = sequence.data<int32_t>();
  std::vector<QueryRun> runs;
  for (int64_t n = 0; n < sequence.numel(); ++n) {
    const bool joins =
        !runs.empty() && runs.back().sequence == of[n] && runs.back().count < most_tokens;
    if (joins) {
      ++runs.back().count;
    } else {
      runs.push_back({n, 1, of[n]});
    }
  }
  return runs;
}

/// The arrays of a block of `rows` queries: row g * tokens + t is query t of the group's head g.
template <class C>
struct PagedScratch {
  C* q;                 // [rows, D]
  C* k;                 // [kKeyBlock, D]
  C* v;                 // [kKeyBlock, D]
  float* s;             // [rows, kKeyBlock] scores
  C* p;                 // [rows, kKeyBlock] weights; over s when C is float
  float* out;           // [rows, D] sums not yet divided
  OnlineSoftmax* stat;  // [rows]

  PagedScratch(ScratchLayout& layout, const PagedSizes& size, int64_t rows) {
    q = layout.take<C>(rows * size.width);
    k = layout.take<C>(kKeyBlock * size.width);
    v = layout.take<C>(kKeyBlock * size.width);
    s = layout.take<float>(rows * kKeyBlock);
    if constexpr (std::is_same_v<C, float>) {
      p = s;
    } else {
      p = layout.take<C>(rows * kKeyBlock);
    }
    out = layout.take<float>(rows * size.width);
    stat = layout.take<OnlineSoftmax>(rows);
  }
};

/// One run of queries, one key/value head.
template <class T, class C>
class PagedTask {
 public:
  PagedTask(const PagedArgs& args, const PagedSizes& size, const QueryRun& run, int64_t kv_head)
      : args_(args),
        size_(size),
        run_(run),
        kv_head_(kv_head),
        tokens_(run.tokens()),
        rows_(size.group * tokens_),
        scratch_(thread_arrays<PagedScratch<C>>(size, rows_)) {
    std::fill_n(scratch_.stat, rows_, OnlineSoftmax{});
  }

  void run() {
    if (args_.keys.sink_end) attend(args_.q_sinks ? args_.q_sinks : args_.q, Part::kSinks);
    attend(args_.q, Part::kRecent);
    store();
  }

 private:
  enum class Part : uint8_t { kSinks, kRecent };

  KeyRange visible(Part part, int64_t t) const {
    const int64_t n = run_.first + t;
    return part == Part::kSinks ? sink_keys(args_.keys, n) : recent_keys(args_.keys, n);
  }

  void attend(const ConstView& q, Part part) {
    KeyRange all;
    for (int64_t t = 0; t < run_.count; ++t) all = united(all, visible(part, t));
    if (all.empty()) return;
    gather_queries_of(q);
    for (int64_t block = all.begin / kKeyBlock; block * kKeyBlock < all.end; ++block) {
      visit(part, block, all);
    }
  }

  void gather_queries_of(const ConstView& q) {
    const T* const data = q.data<T>();
    for (int64_t g = 0; g < size_.group; ++g) {
      C* const head = scratch_.q + g * tokens_ * size_.width;
      for (int64_t t = 0; t < run_.count; ++t) {
        copy_row(head + t * size_.width,
                 data + (run_.first + t) * q.stride(0) + (kv_head_ * size_.group + g) * q.stride(1),
                 size_.width);
      }
      zero_rows(head + run_.count * size_.width, tokens_ - run_.count, size_.width);
    }
  }

  /// Keys of one block of kKeyBlock, at multiples of it, whatever else is computed: the order of a
  /// query's sums depends on its own keys.
  void visit(Part part, int64_t block, const KeyRange& all) {
    const int64_t first = std::max(block * kKeyBlock, all.begin / kKeyStep * kKeyStep);
    const int64_t end = std::min((block + 1) * kKeyBlock, all.end);
    const int64_t n = (end - first + kKeyStep - 1) / kKeyStep * kKeyStep;
    gather(scratch_.k, args_.k, std::max(first, all.begin), first, end, n);
    gather(scratch_.v, args_.v, std::max(first, all.begin), first, end, n);
    block_product(scratch_.s, scratch_.q, Layout::kPlain, scratch_.k, Layout::kTransposed, rows_, n,
                  size_.width, GradMode::kOverwrite);
    weigh(part, first, n);
    block_product(scratch_.out, scratch_.p, Layout::kPlain, scratch_.v, Layout::kPlain, rows_,
                  size_.width, n, started_ ? GradMode::kAccumulate : GradMode::kOverwrite);
    started_ = true;
  }

  /// Keys needed .. end-1 into rows needed - first ..; zeros before and behind: what lies there may
  /// be anything, and 0 * NaN is not 0.
  void gather(C* to, const ConstView& from, int64_t needed, int64_t first, int64_t end, int64_t n) {
    const PagedRows<T> rows(from, args_.keys.page_table, run_.sequence, kv_head_);
    zero_rows(to, needed - first, size_.width);
    for (int64_t j = needed; j < end; ++j) {
      copy_row(to + (j - first) * size_.width, rows.at(j), size_.width);
    }
    zero_rows(to + (end - first) * size_.width, n - (end - first), size_.width);
  }

  void weigh(Part part, int64_t first, int64_t n) {
    for (int64_t r = 0; r < rows_; ++r) {
      C* const p = scratch_.p + r * n;
      const int64_t t = r % tokens_;
      const KeyRange keys = t < run_.count ? visible(part, t) : KeyRange{};
      const int64_t begin = std::clamp<int64_t>(keys.begin - first, 0, n);
      const int64_t end = std::clamp<int64_t>(keys.end - first, begin, n);
      if (begin == end) {
        std::fill_n(p, n, C{});
        continue;
      }
      const float keep =
          scratch_.stat[r].add(p, scratch_.s + r * n, n, begin, end, size_.scale_log2);
      if (started_ && keep != 1.0f) scale_out(r, keep);
    }
  }

  void scale_out(int64_t r, float factor) {
    float* const out = scratch_.out + r * size_.width;
#pragma omp simd
    for (int64_t d = 0; d < size_.width; ++d) out[d] *= factor;
  }

  void store() {
    T* const data = args_.out.data<T>();
    for (int64_t g = 0; g < size_.group; ++g) {
      for (int64_t t = 0; t < run_.count; ++t) {
        T* const y = data + (run_.first + t) * args_.out.stride(0) +
                     (kv_head_ * size_.group + g) * args_.out.stride(1);
        const int64_t r = g * tokens_ + t;
        const float sum = scratch_.stat[r].sum;
        const float* const from = scratch_.out + r * size_.width;
        for (int64_t d = 0; d < size_.width; ++d) {
          y[d] = sum == 0.0f ? T{} : from_acc<T>(from[d] / sum);
        }
      }
    }
  }

  const PagedArgs& args_;
  const PagedSizes& size_;
  const QueryRun& run_;
  int64_t kv_head_, tokens_, rows_;
  PagedScratch<C> scratch_;
  bool started_ = false;
};

template <class T, class C>
void run_blocks(const PagedArgs& args) {
  const PagedSizes size(args.q, args.k);
  const std::vector<QueryRun> runs = split_runs(args.keys.sequence, size.most_tokens());
  const auto count = static_cast<int64_t>(runs.size());
  parallel_tasks(count * size.kv_heads, [&](int64_t task) {
    const QueryRun& run = runs[static_cast<size_t>(count - 1 - task / size.kv_heads)];
    PagedTask<T, C>(args, size, run, task % size.kv_heads).run();
  });
}

}  // namespace

void paged_attention_forward(Stream&, View out, ConstView q, ConstView q_sinks, ConstView k,
                             ConstView v, const PagedKeys& keys) {
  const PagedArgs args{out, q, q_sinks, k, v, keys};
  if (q.dtype() == DType::kF64) {
    paged_attention_double(args);
  } else if (q.dtype() == DType::kF32) {
    run_blocks<float, float>(args);
  } else {
    with_product_type(q.dtype(),
                      [&](auto tag) { run_blocks<BFloat16, typename decltype(tag)::type>(args); });
  }
}

LCKV_CPU_END
