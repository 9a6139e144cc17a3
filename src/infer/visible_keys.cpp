#include "lckv/infer/visible_keys.h"

#include <algorithm>

namespace lckv::infer {

VisibleKeys visible_keys(const KeyRule& rule, const SinkWindow& streaming, int64_t position,
                         int64_t cached) {
  VisibleKeys keys;
  keys.end = rule.strict ? position : position + 1;
  if (rule.cached_only) keys.end = std::min(keys.end, cached);
  if (streaming.is_on()) {
    keys.begin = std::max(streaming.sinks, position - streaming.recent_tokens());
    keys.sink_end = std::min(streaming.sinks, keys.end);
  } else if (rule.window_tokens > 0) {
    keys.begin = std::max<int64_t>(0, position - rule.window_tokens);
  }
  keys.begin = std::min(keys.begin, keys.end);
  return keys;
}

int64_t sink_position(const SinkWindow& streaming, int64_t position) {
  return std::min(position, streaming.window_tokens);
}

}  // namespace lckv::infer
