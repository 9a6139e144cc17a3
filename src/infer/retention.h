#pragma once

#include <cstdint>
#include <vector>

#include "lckv/model/layer_spec.h"

namespace lckv::infer {

/// Streaming with attention sinks (Xiao et al. 2023, arXiv:2309.17453; spec/lckv.md 7.5): of a
/// stream the first `sinks` tokens stay visible, and as many of the newest as fill a cache of
/// `window_tokens`, sinks included.
struct SinkWindow {
  int64_t sinks = 0;
  int64_t window_tokens = 0;  // 0: no such window, every token stays

  bool is_on() const { return window_tokens > 0; }
  int64_t recent_tokens() const { return window_tokens - sinks; }
  bool operator==(const SinkWindow&) const = default;
};

/// Throws ConfigError: sinks outside 0 .. window-1, a window above `trained_tokens`, layers with a
/// window of their own.
void require_possible(const SinkWindow& streaming, const std::vector<model::LayerSpec>& layers,
                      int64_t trained_tokens);

/// Which tokens of a sequence must stay in a cache once a step is done.
struct Retention {
  int64_t sinks = 0;          // the first ones
  int64_t recent_tokens = 0;  // and the last ones; 0: all

  bool keeps_all() const { return recent_tokens == 0; }
  bool operator==(const Retention&) const = default;
};

/// Of the keys and values of `layer`: decided by those that read it (spec/lckv.md 7.4). All tokens
/// if any reader has no window.
Retention retention_of(const std::vector<model::LayerSpec>& layers, int layer,
                       const SinkWindow& streaming);

}  // namespace lckv::infer
