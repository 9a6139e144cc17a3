#include "lckv/eval/forward_mode.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

constexpr std::string_view kIterate = "iterate";
constexpr std::string_view kSequential = "sequential";
constexpr std::string_view kConverge = "converge";

/// The number after "NAME:".
template <class T>
std::optional<T> number_after(std::string_view text, std::string_view name) {
  if (!text.starts_with(name) || !text.substr(name.size()).starts_with(':')) return {};
  const std::string_view digits = text.substr(name.size() + 1);
  T number{};
  const auto [stop, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (error != std::errc{} || stop != digits.data() + digits.size()) return {};
  return number;
}

ForwardMode as_trained(const config::ModelConfig& config) {
  return ForwardMode::iterate(config.forward_passes + config.backward_passes);
}

}  // namespace

ForwardMode ForwardMode::iterate(int64_t n) {
  LCKV_CHECK(n >= 1, format("{} passes", n));
  return {n, 0};
}

ForwardMode ForwardMode::sequential() { return {0, 0}; }

ForwardMode ForwardMode::converge(double eps) {
  LCKV_CHECK(eps > 0 && std::isfinite(eps), format("convergence to {}", eps));
  return {0, eps};
}

int64_t ForwardMode::passes(int64_t T) const { return limit_ == 0 ? T : std::min(limit_, T); }

std::string ForwardMode::text() const {
  if (eps_ > 0) return format("{}:{}", kConverge, eps_);
  return limit_ == 0 ? std::string(kSequential) : format("{}:{}", kIterate, limit_);
}

ForwardMode default_forward_mode(const config::ModelConfig& config) {
  return config.use_sequential ? ForwardMode::sequential() : as_trained(config);
}

ForwardMode parse_forward_mode(std::string_view text, const config::ModelConfig& config) {
  if (text == kSequential) return ForwardMode::sequential();
  if (text == kIterate) return as_trained(config);
  const auto n = number_after<int32_t>(text, kIterate);
  if (n && *n >= 1) return ForwardMode::iterate(*n);
  const auto eps = number_after<double>(text, kConverge);
  if (eps && *eps > 0 && std::isfinite(*eps)) return ForwardMode::converge(*eps);
  throw ConfigError(
      format("forward mode '{}': expected 'iterate', 'iterate:n' with n from 1 to {} passes, "
             "'sequential', or 'converge:eps' with eps above 0",
             text, std::numeric_limits<int32_t>::max()));
}

}  // namespace lckv::eval
