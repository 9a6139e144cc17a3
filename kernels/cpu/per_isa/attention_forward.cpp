#include "lckv/kernels/cpu/per_isa/attention_blocks.h"
#include "lckv/kernels/cpu/per_isa/attention_double.h"
#include "lckv/kernels/cpu/per_isa/attention_softmax.h"
#include "lckv/kernels/cpu/per_isa/parallel_tasks.h"
#include "lckv/kernels/cpu/per_isa/scratch_layout.h"

LCKV_CPU_BEGIN
namespace {

// Query blocks that one task takes along a row of key blocks: the gathered keys serve all of them.
constexpr int64_t kBlocksPerTask = 4;

struct ForwardArgs {
  const AttentionSizes& size;
  const AttentionMask& mask;
  const View& out;
  const View& lse;
  const ConstView& q;
  const ConstView& k;
  const ConstView& v;
};

template <class C>
struct ForwardScratch {
  C* k;                                 // [kKeyBlock, D]
  C* v;                                 // [kKeyBlock, D]
  float* s;                             // [rows, kKeyBlock] scores
  C* p;                                 // [rows, kKeyBlock] exp(scores); over s when C is float
  C* q[kBlocksPerTask];                 // [rows, D]
  float* out[kBlocksPerTask];           // [rows, D] sums not yet divided
  OnlineSoftmax* rows[kBlocksPerTask];  // [rows]

  ForwardScratch(ScratchLayout& layout, const AttentionSizes& size) {
    k = layout.take<C>(kKeyBlock * size.width);
    v = layout.take<C>(kKeyBlock * size.width);
    s = layout.take<float>(size.rows * kKeyBlock);
    if constexpr (std::is_same_v<C, float>) {
      p = s;
    } else {
      p = layout.take<C>(size.rows * kKeyBlock);
    }
    for (int i = 0; i < kBlocksPerTask; ++i) {
      q[i] = layout.take<C>(size.rows * size.width);
      out[i] = layout.take<float>(size.rows * size.width);
      rows[i] = layout.take<OnlineSoftmax>(size.rows);
    }
  }
};

/// One task: up to kBlocksPerTask query blocks of one sequence and key/value head.
template <class T, class C>
class ForwardTask {
 public:
  ForwardTask(const ForwardArgs& args, int64_t b, int64_t kv_head, int64_t first_block)
      : args_(args),
        size_(args.size),
        scratch_(thread_arrays<ForwardScratch<C>>(args.size)),
        count_(std::min(kBlocksPerTask, size_.query_blocks - first_block)) {
    for (int64_t i = 0; i < count_; ++i) {
      blocks_[i] = QueryBlock(size_, args.mask, b, kv_head, first_block + i);
      gather_queries(scratch_.q[i], head_rows<T>(args.q), blocks_[i], size_);
      std::fill_n(scratch_.rows[i], size_.rows, OnlineSoftmax{});
      keys_.begin = i == 0 ? blocks_[i].keys.begin : std::min(keys_.begin, blocks_[i].keys.begin);
      keys_.end = std::max(keys_.end, blocks_[i].keys.end);
    }
  }

  void run() {
    for (int64_t block = keys_.begin / kKeyBlock; block * kKeyBlock < keys_.end; ++block) {
      gather_keys_of(block);
      for (int64_t i = 0; i < count_; ++i) visit(i, block);
    }
    for (int64_t i = 0; i < count_; ++i) store(i);
  }

 private:
  void gather_keys_of(int64_t block) {
    const int64_t first = block * kKeyBlock;
    const int64_t end = std::min(first + kKeyBlock, keys_.end);
    const auto [b, kv_head] = std::pair(blocks_[0].sequence, blocks_[0].kv_head);
    gather_keys(scratch_.k, head_rows<T>(args_.k), b, kv_head, first, end, size_.width);
    gather_keys(scratch_.v, head_rows<T>(args_.v), b, kv_head, first, end, size_.width);
  }

  void visit(int64_t i, int64_t key_block) {
    const KeyRange needed = needed_keys(blocks_[i].keys, key_block);
    if (needed.empty()) return;
    const int64_t n = needed.end - needed.begin;
    const int64_t offset = needed.begin * size_.width;
    block_product(scratch_.s, scratch_.q[i], Layout::kPlain, scratch_.k + offset,
                  Layout::kTransposed, size_.rows, n, size_.width, GradMode::kOverwrite);
    weigh(i, key_block * kKeyBlock + needed.begin, n);
    block_product(scratch_.out[i], scratch_.p, Layout::kPlain, scratch_.v + offset, Layout::kPlain,
                  size_.rows, size_.width, n,
                  started_[i] ? GradMode::kAccumulate : GradMode::kOverwrite);
    started_[i] = true;
  }

  /// Scores of keys first_key .. first_key+n-1 become weights, 0 where the query does not see the
  /// key.
  void weigh(int64_t i, int64_t first_key, int64_t n) {
    for (int64_t r = 0; r < size_.rows; ++r) {
      const KeyRange visible = blocks_[i].visible[static_cast<size_t>(r % size_.block_tokens)];
      const int64_t begin = std::clamp<int64_t>(visible.begin - first_key, 0, n);
      const int64_t end = std::clamp<int64_t>(visible.end - first_key, begin, n);
      C* p = scratch_.p + r * n;
      if (begin == end) {
        std::fill_n(p, n, C{});
        continue;
      }
      const float keep =
          scratch_.rows[i][r].add(p, scratch_.s + r * n, n, begin, end, size_.scale_log2);
      if (started_[i] && keep != 1.0f) scale_out(i, r, keep);
    }
  }

  void scale_out(int64_t i, int64_t r, float factor) {
    float* out = scratch_.out[i] + r * size_.width;
#pragma omp simd
    for (int64_t d = 0; d < size_.width; ++d) out[d] *= factor;
  }

  void store(int64_t i) {
    const QueryBlock& block = blocks_[i];
    const auto out = head_rows<T>(args_.out);
    const auto lse = head_statistics<float>(args_.lse);
    for (int64_t g = 0; g < size_.group; ++g) {
      const int64_t head = block.kv_head * size_.group + g;
      for (int64_t t = 0; t < block.tokens; ++t) {
        const int64_t token = block.first_token + t;
        T* y = out.row(block.sequence, token, head);
        float& row_lse = lse.at(block.sequence, head, token);
        if (block.visible[static_cast<size_t>(t)].empty()) {
          std::fill_n(y, size_.width, T{});
          row_lse = -std::numeric_limits<float>::infinity();
        } else {
          row_lse = store_row(y, i, g * size_.block_tokens + t);
        }
      }
    }
  }

  /// Writes row r's output, returns its log-sum-exp.
  float store_row(T* y, int64_t i, int64_t r) {
    const OnlineSoftmax& row = scratch_.rows[i][r];
    const float* out = scratch_.out[i] + r * size_.width;
    const float factor = 1.0f / row.sum;
#pragma omp simd
    for (int64_t d = 0; d < size_.width; ++d) y[d] = from_acc<T>(out[d] * factor);
    return row.log_sum_exp();
  }

  const ForwardArgs& args_;
  const AttentionSizes& size_;
  ForwardScratch<C> scratch_;
  int64_t count_;
  QueryBlock blocks_[kBlocksPerTask];
  bool started_[kBlocksPerTask] = {};
  KeyRange keys_;  // all that any of the blocks needs
};

template <class T, class C>
void run_forward(const ForwardArgs& args) {
  const AttentionSizes& size = args.size;
  const int64_t pairs = size.batch * size.kv_heads;
  const int64_t spans = (size.query_blocks + kBlocksPerTask - 1) / kBlocksPerTask;
  // The last queries see the most keys: longest tasks first, so that no thread is left with one at
  // the end.
  parallel_tasks(pairs * spans, [&](int64_t task) {
    const int64_t span = spans - 1 - task / pairs;
    const int64_t pair = task % pairs;
    ForwardTask<T, C>(args, pair / size.kv_heads, pair % size.kv_heads, span * kBlocksPerTask)
        .run();
  });
}

}  // namespace

void attention_forward(Stream&, View out, View lse, ConstView q, ConstView k, ConstView v,
                       const AttentionMask& mask) {
  if (q.dtype() == DType::kF64) {
    attention_forward_double(out, lse, q, k, v, mask);
    return;
  }
  const AttentionSizes size(q, k);
  const ForwardArgs args{size, mask, out, lse, q, k, v};
  if (q.dtype() == DType::kF32) {
    run_forward<float, float>(args);
    return;
  }
  with_product_type(q.dtype(),
                    [&](auto tag) { run_forward<BFloat16, typename decltype(tag)::type>(args); });
}

LCKV_CPU_END
