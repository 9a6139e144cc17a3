#include "lckv/eval/forward_mode.h"

#include <algorithm>
#include <charconv>
#include <limits>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

constexpr std::string_view kIterate = "iterate";
constexpr std::string_view kSequential = "sequential";

}  // namespace

ForwardMode ForwardMode::iterate(int64_t n) {
  LCKV_CHECK(n >= 1, format("{} passes", n));
  return ForwardMode(n);
}

ForwardMode ForwardMode::sequential() { return ForwardMode(0); }

int64_t ForwardMode::passes(int64_t T) const { return limit_ == 0 ? T : std::min(limit_, T); }

std::string ForwardMode::text() const {
  return limit_ == 0 ? std::string(kSequential) : format("{}:{}", kIterate, limit_);
}

ForwardMode parse_forward_mode(std::string_view text, const config::ModelConfig& config) {
  if (text == kSequential) return ForwardMode::sequential();
  if (text == kIterate) {
    return ForwardMode::iterate(config.forward_passes + config.backward_passes);
  }
  if (text.starts_with(kIterate) && text.substr(kIterate.size()).starts_with(':')) {
    const std::string_view digits = text.substr(kIterate.size() + 1);
    const char* end = digits.data() + digits.size();
    int32_t n = 0;
    const auto [stop, error] = std::from_chars(digits.data(), end, n);
    if (error == std::errc{} && stop == end && n >= 1) return ForwardMode::iterate(n);
  }
  throw ConfigError(
      format("forward mode '{}': expected 'iterate', 'iterate:n' with n from 1 to {} passes, or "
             "'sequential'",
             text, std::numeric_limits<int32_t>::max()));
}

}  // namespace lckv::eval
