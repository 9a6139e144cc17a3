#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lckv::infer {

/// A step on the way from logits to the tokens that are drawn from.
enum class Filter : uint8_t { kPenalties, kTemperature, kTopK, kTopP, kMinP };

/// penalties, temperature, top_k, top_p, min_p: the order of Hugging Face's generate().
std::vector<Filter> default_filters();

/// "top_k;top_p;temperature", also with '-' for '_'. Throws ConfigError: an unknown name, with the
/// nearest one, or one that stands twice.
std::vector<Filter> parse_filters(std::string_view text);
std::string to_text(const std::vector<Filter>& filters);

/// How the next token is chosen (spec/evaluation.md 10).
struct SamplingOptions {
  double temperature = 1;  // 0: the likeliest token, the first of equal ones
  int64_t top_k = 0;       // 0: off
  double top_p = 1;        // 1: off
  double min_p = 0;        // 0: off
  double repetition_penalty = 1;
  double presence_penalty = 0;
  double frequency_penalty = 0;
  int64_t repeat_last_n = -1;  // newest tokens, prompt included, that penalties see; -1: all
  uint64_t seed = 42;
  std::vector<Filter> order = default_filters();  // what it lacks is not applied

  bool has_penalties() const {
    return repetition_penalty != 1 || presence_penalty != 0 || frequency_penalty != 0;
  }
};

/// Throws ConfigError: a value outside its range, or one whose filter `order` lacks.
void require_possible(const SamplingOptions& options);

}  // namespace lckv::infer
