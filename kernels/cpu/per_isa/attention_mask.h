#pragma once

#include <algorithm>

#include "lckv/kernels/cpu/per_isa/kernels.h"

LCKV_CPU_BEGIN

/// Keys begin .. end-1. Without keys both are 0.
struct KeyRange {
  int64_t begin = 0;
  int64_t end = 0;
  bool empty() const { return begin >= end; }
};

/// What query i of sequence b sees of `keys` keys: every rule of AttentionMask bounds one side of a
/// range.
inline KeyRange visible_keys(const AttentionMask& mask, int64_t b, int64_t i, int64_t keys) {
  const int64_t position = mask.query_offset + i;
  KeyRange range{0, std::min(keys, mask.strict ? position : position + 1)};
  if (mask.window_tokens > 0) range.begin = std::max(range.begin, position - mask.window_tokens);
  if (mask.first_key) {
    const int64_t first =
        mask.first_key.data<int32_t>()[b * mask.first_key.stride(0) + i * mask.first_key.stride(1)];
    range.begin = std::max(range.begin, first);
  }
  if (mask.key_lengths) {
    const int64_t length = mask.key_lengths.data<int32_t>()[b * mask.key_lengths.stride(0)];
    range.end = std::min(range.end, length);
  }
  return range.empty() ? KeyRange{} : range;
}

LCKV_CPU_END
