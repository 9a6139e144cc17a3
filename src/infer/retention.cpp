#include "lckv/infer/retention.h"

#include <algorithm>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::infer {

void require_possible(const SinkWindow& streaming, const std::vector<model::LayerSpec>& layers,
                      int64_t trained_tokens) {
  if (!streaming.is_on()) {
    if (streaming.sinks == 0) return;
    throw ConfigError(format("{} sinks without a window: name its tokens", streaming.sinks));
  }
  if (streaming.sinks < 0 || streaming.sinks >= streaming.window_tokens) {
    throw ConfigError(format("{} sinks do not fit a window of {} tokens, which counts them",
                             streaming.sinks, streaming.window_tokens));
  }
  if (streaming.window_tokens > trained_tokens) {
    throw ConfigError(format("a window of {} tokens is above the model's {}",
                             streaming.window_tokens, trained_tokens));
  }
  const bool has_window = std::any_of(layers.begin(), layers.end(),
                                      [](const auto& layer) { return layer.window_tokens > 0; });
  if (has_window) {
    throw ConfigError("sinks and a window are not for a model whose layer_types have windows (s)");
  }
}

Retention retention_of(const std::vector<model::LayerSpec>& layers, int layer,
                       const SinkWindow& streaming) {
  if (streaming.is_on()) return {streaming.sinks, streaming.recent_tokens()};
  int64_t recent = 0;
  for (const model::LayerSpec& reader : layers) {
    if (reader.reads != layer) continue;
    if (reader.window_tokens == 0) return {};
    recent = std::max(recent, reader.window_tokens);
  }
  return {0, recent};
}

}  // namespace lckv::infer
