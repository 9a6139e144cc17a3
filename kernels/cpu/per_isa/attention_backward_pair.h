#pragma once

#include "lckv/kernels/cpu/per_isa/attention_blocks.h"
#include "lckv/kernels/cpu/per_isa/attention_softmax.h"
#include "lckv/kernels/cpu/per_isa/scratch_layout.h"

LCKV_CPU_BEGIN

struct BackwardArgs {
  const AttentionSizes& size;
  const AttentionMask& mask;
  GradMode mode;
  const View& dq;
  const View& dk;
  const View& dv;
  const ConstView& dout;
  const ConstView& out;
  const ConstView& lse;
  const ConstView& q;
  const ConstView& k;
  const ConstView& v;
  HeadStatistics<const float> delta;  // [B, Hq, Tq] dout . out
};

/// Scores and what follows from them stand transposed, [keys, rows]: then only the product for dq
/// meets a transposed operand, and lse, delta and the mask are vectors along the rows.
template <class C>
struct BackwardScratch {
  C* k;             // [kKeyBlock, D]
  C* v;             // [kKeyBlock, D]
  C* q;             // [rows, D]
  C* dout;          // [rows, D]
  float* lse_log2;  // [rows]; 0 where no key is visible
  float* delta;     // [rows]
  int32_t* begin;   // [rows] visible keys, counted from the first key of the piece in hand
  int32_t* end;     // [rows]
  float* s;         // [kKeyBlock, rows]
  float* dp;        // [kKeyBlock, rows]
  C* p;             // [kKeyBlock, rows]; over s when C is float
  C* ds;            // [kKeyBlock, rows]; over dp when C is float
  float* dk;        // [kKeyBlock, D] before the factor 1 / sqrt(D)
  float* dv;        // [kKeyBlock, D]
  float* dq;        // [dq_blocks, D, rows] transposed, before the factor

  BackwardScratch(ScratchLayout& layout, const AttentionSizes& size, int64_t dq_blocks) {
    for (C** keys : {&k, &v}) *keys = layout.take<C>(kKeyBlock * size.width);
    for (C** queries : {&q, &dout}) *queries = layout.take<C>(size.rows * size.width);
    for (float** row : {&lse_log2, &delta}) *row = layout.take<float>(size.rows);
    for (int32_t** row : {&begin, &end}) *row = layout.take<int32_t>(size.rows);
    for (float** square : {&s, &dp}) *square = layout.take<float>(kKeyBlock * size.rows);
    if constexpr (std::is_same_v<C, float>) {
      p = s;
      ds = dp;
    } else {
      for (C** square : {&p, &ds}) *square = layout.take<C>(kKeyBlock * size.rows);
    }
    for (float** sums : {&dk, &dv}) *sums = layout.take<float>(kKeyBlock * size.width);
    dq = layout.take<float>(dq_blocks * size.width * size.rows);
  }
};

/// The backward pass of one sequence and key/value head, one (key block, query block) piece at a
/// time. The sums of dk, dv run over query blocks in ascending order, those of dq over key blocks:
/// whoever walks the pieces, the bits are the same.
template <class T, class C>
class BackwardPair {
 public:
  BackwardPair(const BackwardArgs& args, int64_t pair, int64_t dq_blocks)
      : args_(args),
        size_(args.size),
        b_(pair / size_.kv_heads),
        kv_head_(pair % size_.kv_heads),
        dq_blocks_(dq_blocks),
        scratch_(thread_arrays<BackwardScratch<C>>(args.size, dq_blocks)) {}

  /// dk, dv (when given) and dq at once: five products per piece.
  void all() {
    zero_rows(scratch_.dq, dq_blocks_ * size_.width, size_.rows);
    for (int64_t block = 0; block < size_.key_blocks; ++block) keys_of(block, /*with_dq=*/true);
    for (int64_t block = 0; block < size_.query_blocks; ++block) {
      store_dq(QueryBlock(size_, args_.mask, b_, kv_head_, block), dq_of(block));
    }
  }

  /// dk, dv of one key block.
  void keys(int64_t block) { keys_of(block, /*with_dq=*/false); }

  /// dq of one query block.
  void queries(int64_t block) {
    const QueryBlock queries(size_, args_.mask, b_, kv_head_, block);
    zero_rows(scratch_.dq, size_.width, size_.rows);
    load_queries(queries);
    for (int64_t key_block = 0; key_block < size_.key_blocks; ++key_block) {
      const KeyRange needed = needed_keys(queries.keys, key_block);
      if (needed.empty()) continue;
      load_keys(key_block);
      weigh(queries, key_block, needed);
      add_dq(needed, scratch_.dq);
    }
    store_dq(queries, scratch_.dq);
  }

 private:
  void keys_of(int64_t key_block, bool with_dq) {
    load_keys(key_block);
    const bool with_keys = static_cast<bool>(args_.dk);
    zero_rows(scratch_.dk, kKeyBlock, size_.width);
    zero_rows(scratch_.dv, kKeyBlock, size_.width);
    for (int64_t block = 0; block < size_.query_blocks; ++block) {
      const QueryBlock queries(size_, args_.mask, b_, kv_head_, block);
      const KeyRange needed = needed_keys(queries.keys, key_block);
      if (needed.empty()) continue;
      load_queries(queries);
      weigh(queries, key_block, needed);
      if (with_keys) add_dk_dv(needed);
      if (with_dq) add_dq(needed, dq_of(block));
    }
    if (with_keys) store_dk_dv(key_block);
  }

  float* dq_of(int64_t block) { return scratch_.dq + block * size_.width * size_.rows; }

  void load_keys(int64_t block) {
    const int64_t first = block * kKeyBlock;
    int64_t end = std::min(first + kKeyBlock, size_.keys);
    if (args_.mask.key_lengths) {
      const ConstView& lengths = args_.mask.key_lengths;
      end = std::min<int64_t>(end, lengths.data<int32_t>()[b_ * lengths.stride(0)]);
    }
    end = std::max(end, first);
    gather_keys(scratch_.k, head_rows<T>(args_.k), b_, kv_head_, first, end, size_.width);
    gather_keys(scratch_.v, head_rows<T>(args_.v), b_, kv_head_, first, end, size_.width);
  }

  void load_queries(const QueryBlock& block) {
    gather_queries(scratch_.q, head_rows<T>(args_.q), block, size_);
    gather_queries(scratch_.dout, head_rows<T>(args_.dout), block, size_);
    std::fill_n(scratch_.lse_log2, size_.rows, 0.0f);
    std::fill_n(scratch_.delta, size_.rows, 0.0f);
    const auto lse = head_statistics<float>(args_.lse);
    for (int64_t r = 0; r < size_.rows; ++r) {
      const int64_t t = r % size_.block_tokens;
      if (t >= block.tokens || block.visible[static_cast<size_t>(t)].empty()) continue;
      const int64_t head = kv_head_ * size_.group + r / size_.block_tokens;
      scratch_.lse_log2[r] = kLog2E * lse.at(b_, head, block.first_token + t);
      scratch_.delta[r] = args_.delta.at(b_, head, block.first_token + t);
    }
  }

  /// p and ds of the keys `needed` of a key block.
  void weigh(const QueryBlock& queries, int64_t key_block, const KeyRange& needed) {
    const int64_t n = needed.end - needed.begin;
    const int64_t offset = needed.begin * size_.width;
    // s = q k^T    dp = dout v^T
    block_product(scratch_.s, scratch_.k + offset, Layout::kPlain, scratch_.q, Layout::kTransposed,
                  n, size_.rows, size_.width, GradMode::kOverwrite);
    block_product(scratch_.dp, scratch_.v + offset, Layout::kPlain, scratch_.dout,
                  Layout::kTransposed, n, size_.rows, size_.width, GradMode::kOverwrite);
    const KeyRange seen_by_all = set_visible(queries, key_block * kKeyBlock + needed.begin, n);
    for (int64_t j = 0; j < n; ++j) {
      const int64_t at = j * size_.rows;
      if (j >= seen_by_all.begin && j < seen_by_all.end) {
        weigh_gradients(scratch_.p + at, scratch_.ds + at, scratch_.s + at, scratch_.dp + at,
                        scratch_.lse_log2, scratch_.delta, size_.rows, size_.scale_log2);
      } else {
        weigh_masked_gradients(scratch_.p + at, scratch_.ds + at, scratch_.s + at, scratch_.dp + at,
                               scratch_.lse_log2, scratch_.delta, scratch_.begin, scratch_.end,
                               static_cast<int32_t>(j), size_.rows, size_.scale_log2);
      }
    }
  }

  /// Sets begin and end of every row for the piece of n keys from first_key on; returns the keys
  /// that every row sees.
  KeyRange set_visible(const QueryBlock& queries, int64_t first_key, int64_t n) {
    KeyRange common{0, n};
    for (int64_t r = 0; r < size_.rows; ++r) {
      const KeyRange visible = queries.visible[static_cast<size_t>(r % size_.block_tokens)];
      const int64_t begin = std::clamp<int64_t>(visible.begin - first_key, 0, n);
      const int64_t end = std::clamp<int64_t>(visible.end - first_key, begin, n);
      scratch_.begin[r] = static_cast<int32_t>(begin);
      scratch_.end[r] = static_cast<int32_t>(end);
      common = {std::max(common.begin, begin), std::min(common.end, end)};
    }
    return common;
  }

  /// dv += p^T dout    dk += ds^T q
  void add_dk_dv(const KeyRange& needed) {
    const int64_t n = needed.end - needed.begin;
    const int64_t offset = needed.begin * size_.width;
    block_product(scratch_.dv + offset, scratch_.p, Layout::kPlain, scratch_.dout, Layout::kPlain,
                  n, size_.width, size_.rows, GradMode::kAccumulate);
    block_product(scratch_.dk + offset, scratch_.ds, Layout::kPlain, scratch_.q, Layout::kPlain, n,
                  size_.width, size_.rows, GradMode::kAccumulate);
  }

  /// dq += ds k, both sides transposed
  void add_dq(const KeyRange& needed, float* dq) {
    block_product(dq, scratch_.k + needed.begin * size_.width, Layout::kTransposed, scratch_.ds,
                  Layout::kPlain, size_.width, size_.rows, needed.end - needed.begin,
                  GradMode::kAccumulate);
  }

  void store_dk_dv(int64_t block) {
    const int64_t first = block * kKeyBlock;
    const int64_t end = std::min(first + kKeyBlock, size_.keys);
    const auto dk = head_rows<float>(args_.dk), dv = head_rows<float>(args_.dv);
    for (int64_t j = first; j < end; ++j) {
      const int64_t at = (j - first) * size_.width;
      store_row(dk.row(b_, j, kv_head_), scratch_.dk + at, size_.scale);
      store_row(dv.row(b_, j, kv_head_), scratch_.dv + at, 1.0f);
    }
  }

  void store_row(float* to, const float* sums, float factor) {
    const bool add = args_.mode == GradMode::kAccumulate;
#pragma omp simd
    for (int64_t d = 0; d < size_.width; ++d) to[d] = sums[d] * factor + (add ? to[d] : 0.0f);
  }

  void store_dq(const QueryBlock& block, const float* dq) {
    const auto rows = head_rows<T>(args_.dq);
    for (int64_t g = 0; g < size_.group; ++g) {
      for (int64_t t = 0; t < block.tokens; ++t) {
        const float* column = dq + g * size_.block_tokens + t;
        T* to = rows.row(b_, block.first_token + t, kv_head_ * size_.group + g);
        for (int64_t d = 0; d < size_.width; ++d) {
          to[d] = from_acc<T>(column[d * size_.rows] * size_.scale);
        }
      }
    }
  }

  const BackwardArgs& args_;
  const AttentionSizes& size_;
  int64_t b_;
  int64_t kv_head_;
  int64_t dq_blocks_;
  BackwardScratch<C> scratch_;
};

LCKV_CPU_END
