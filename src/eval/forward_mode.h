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
  /// The exact left-to-right result.
  static ForwardMode sequential();
  /// Passes until for every K,V of the sequence that is read upward || change || <= eps || K,V ||,
  /// Frobenius, or T. eps > 0. Sequences that share a forward go on until that holds for each of
  /// them: neighbours can only add passes.
  static ForwardMode converge(double eps);

  bool is_sequential() const { return limit_ == 0 && eps_ == 0; }
  double converge_eps() const { return eps_; }  // 0: not that mode
  /// Most passes over a sequence of T tokens.
  int64_t passes(int64_t T) const;
  /// "iterate:9", "sequential" or "converge:1e-06": what results record.
  std::string text() const;
  bool operator==(const ForwardMode&) const = default;

 private:
  ForwardMode(int64_t limit, double eps) : limit_(limit), eps_(eps) {}
  int64_t limit_;  // 0: none
  double eps_;
};

/// What the model's configuration asks for: sequential() with use_sequential, else the passes of
/// training, m + b.
ForwardMode default_forward_mode(const config::ModelConfig& config);

/// "iterate:n", "sequential", "converge:eps", or "iterate", which takes the passes of training, m +
/// b. Throws ConfigError for anything else.
ForwardMode parse_forward_mode(std::string_view text, const config::ModelConfig& config);

}  // namespace lckv::eval
