#include "lckv/infer/prefill.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/model/layer_spec.h"

namespace lckv::infer {

namespace {

int64_t parse_passes(std::string_view text, const config::ModelConfig& config) {
  constexpr std::string_view kIterate = "iterate";
  if (text == kIterate) return config.forward_passes + config.backward_passes;
  if (text.starts_with(kIterate) && text.substr(kIterate.size()).starts_with(':')) {
    const std::string_view digits = text.substr(kIterate.size() + 1);
    const char* end = digits.data() + digits.size();
    int32_t passes = 0;
    const auto [stop, error] = std::from_chars(digits.data(), end, passes);
    if (error == std::errc{} && stop == end && passes >= 1) return passes;
  }
  throw ConfigError(
      format("--prefill '{}': expected 'iterate', 'iterate:n' with n from 1 to {} passes, or "
             "'exact'",
             text, std::numeric_limits<int32_t>::max()));
}

}  // namespace

Prefill parse_prefill(std::string_view text, int64_t chunk_tokens,
                      const config::ModelConfig& config) {
  Prefill prefill;
  prefill.chunk_tokens = chunk_tokens;
  const bool asked_exact = text == "exact";
  if (!asked_exact) prefill.passes = parse_passes(text, config);
  const bool iterated = model::is_iterated(config);
  prefill.exact = asked_exact || !iterated;
  prefill.token_by_token = prefill.exact && iterated;
  if (prefill.exact) prefill.passes = 1;
  return prefill;
}

int64_t Prefill::tokens_at_once(int64_t prompt_tokens) const {
  if (token_by_token) return 1;
  return chunk_tokens > 0 ? std::min(chunk_tokens, prompt_tokens) : prompt_tokens;
}

std::string Prefill::text(int64_t prompt_tokens) const {
  if (exact) return "exact";
  const std::string iterate = format("iterate:{}", passes);
  const bool in_chunks = chunk_tokens > 0 && prompt_tokens > chunk_tokens;
  return in_chunks ? format("{}, chunks of {}", iterate, chunk_tokens) : iterate;
}

}  // namespace lckv::infer
