#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "lckv/config/model.h"

namespace lckv::eval {

/// How many passes the iterated layers run over a sequence that is scored (spec/lckv.md 7.1).
/// Layers that are not iterated run once in every mode.
class ForwardMode {
 public:
  /// min(n, T) passes; more than T change nothing. n >= 1.
  static ForwardMode iterate(int64_t n);
  /// T passes: the exact left-to-right result.
  static ForwardMode sequential();

  int64_t passes(int64_t T) const;
  /// "iterate:9" or "sequential": what results record.
  std::string text() const;
  bool operator==(const ForwardMode&) const = default;

 private:
  explicit ForwardMode(int64_t limit) : limit_(limit) {}
  int64_t limit_;  // 0: none
};

/// "iterate:n", "sequential", or "iterate", which takes the passes of training, m + b. Throws
/// ConfigError for anything else.
ForwardMode parse_forward_mode(std::string_view text, const config::ModelConfig& config);

}  // namespace lckv::eval
