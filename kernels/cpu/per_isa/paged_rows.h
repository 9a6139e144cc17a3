#pragma once

#include "lckv/kernels/cpu/per_isa/attention_mask.h"

LCKV_CPU_BEGIN

/// A call of paged_attention_forward.
struct PagedArgs {
  const View& out;
  const ConstView &q, &q_sinks, &k, &v;
  const PagedKeys& keys;
};

/// The rows of one sequence and head in a [pages, P, heads, D] view.
template <class T>
class PagedRows {
 public:
  PagedRows(const ConstView& view, const ConstView& page_table, int64_t sequence, int64_t head)
      : data_(view.data<T>() + head * view.stride(2)),
        pages_(page_table.data<int32_t>() + sequence * page_table.stride(0)),
        page_stride_(view.stride(0)),
        token_stride_(view.stride(1)),
        page_tokens_(view.dim(1)) {}

  const T* at(int64_t key) const {
    return data_ + pages_[key / page_tokens_] * page_stride_ + key % page_tokens_ * token_stride_;
  }

 private:
  const T* data_;
  const int32_t* pages_;
  int64_t page_stride_, token_stride_, page_tokens_;
};

inline KeyRange recent_keys(const PagedKeys& keys, int64_t n) {
  const KeyRange range{keys.begin.data<int32_t>()[n], keys.end.data<int32_t>()[n]};
  return range.empty() ? KeyRange{} : range;
}

inline KeyRange sink_keys(const PagedKeys& keys, int64_t n) {
  return keys.sink_end ? KeyRange{0, std::max(0, keys.sink_end.data<int32_t>()[n])} : KeyRange{};
}

/// The smallest range with both.
inline KeyRange united(const KeyRange& a, const KeyRange& b) {
  if (a.empty()) return b;
  if (b.empty()) return a;
  return {std::min(a.begin, b.begin), std::max(a.end, b.end)};
}

void paged_attention_double(const PagedArgs& args);

LCKV_CPU_END
