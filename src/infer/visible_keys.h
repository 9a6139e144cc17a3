#pragma once

#include <cstdint>

#include "lckv/infer/retention.h"

namespace lckv::infer {

/// How the queries of a cell are masked.
struct KeyRule {
  bool strict = false;        // position t reads keys 0..t-1 only
  int64_t window_tokens = 0;  // 0: none
  // The first pass of a higher layer's readers: of the tokens of this forward no key exists yet.
  bool cached_only = false;
  bool operator==(const KeyRule&) const = default;
};

/// Keys 0 .. sink_end-1 and begin .. end-1, as ops::PagedKeys has them.
struct VisibleKeys {
  int64_t sink_end = 0;
  int64_t begin = 0, end = 0;
  bool operator==(const VisibleKeys&) const = default;
};

/// What the query at `position` of its sequence sees, when the first `cached` tokens of the
/// sequence were computed by earlier forwards: spec/lckv.md sections 4, 7.3 and 7.5.
VisibleKeys visible_keys(const KeyRule& rule, const SinkWindow& streaming, int64_t position,
                         int64_t cached);

/// Where a query stands for the rotation against sinks: the number of entries that its cache holds.
int64_t sink_position(const SinkWindow& streaming, int64_t position);

}  // namespace lckv::infer
