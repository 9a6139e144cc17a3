#include "lckv/infer/sampling_options.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::infer {

namespace {

// By the number of the filter.
const std::array<std::string, 5> kNames = {"penalties", "temperature", "top_k", "top_p", "min_p"};

const std::string& name(Filter filter) { return kNames[static_cast<size_t>(filter)]; }

Filter filter_named(std::string word) {
  std::replace(word.begin(), word.end(), '-', '_');
  const auto found = std::find(kNames.begin(), kNames.end(), word);
  if (found != kNames.end()) return static_cast<Filter>(found - kNames.begin());
  const std::string near = nearest_word(word, {kNames.begin(), kNames.end()});
  throw ConfigError(format("--samplers: there is no '{}'{}; there are {}", word,
                           near.empty() ? "" : format(", did you mean '{}'?", near),
                           to_text(default_filters())));
}

bool contains(const std::vector<Filter>& filters, Filter filter) {
  return std::find(filters.begin(), filters.end(), filter) != filters.end();
}

void require(bool holds, const char* option, double value, const char* range) {
  if (!holds) throw ConfigError(format("{} {}: expected {}", option, value, range));
}

void require_in_range(const SamplingOptions& o) {
  // Within these no finite logit of a model becomes infinite.
  require(o.temperature == 0 || (o.temperature >= 1e-6 && o.temperature <= 1e6), "--temperature",
          o.temperature, "0 (greedy), or 1e-6 to 1e6");
  require(o.top_k >= 0, "--top-k", static_cast<double>(o.top_k), "0 (off) or more");
  require(o.top_p >= 0 && o.top_p <= 1, "--top-p", o.top_p, "0 to 1 (off)");
  require(o.min_p >= 0 && o.min_p <= 1, "--min-p", o.min_p, "0 (off) to 1");
  require(o.repetition_penalty >= 1e-3 && o.repetition_penalty <= 1e3, "--repetition-penalty",
          o.repetition_penalty, "0.001 to 1000");
  require(std::fabs(o.presence_penalty) <= 1e3, "--presence-penalty", o.presence_penalty,
          "-1000 to 1000");
  require(std::fabs(o.frequency_penalty) <= 1e3, "--frequency-penalty", o.frequency_penalty,
          "-1000 to 1000");
  require(o.repeat_last_n >= -1, "--repeat-last-n", static_cast<double>(o.repeat_last_n),
          "-1 (all) or more");
}

}  // namespace

std::vector<Filter> default_filters() {
  return {Filter::kPenalties, Filter::kTemperature, Filter::kTopK, Filter::kTopP, Filter::kMinP};
}

std::vector<Filter> parse_filters(std::string_view text) {
  std::vector<Filter> filters;
  if (text.empty()) return filters;
  for (const std::string& word : split(text, ';')) {
    const Filter filter = filter_named(word);
    if (contains(filters, filter)) {
      throw ConfigError(format("--samplers: '{}' stands twice in '{}'", name(filter), text));
    }
    filters.push_back(filter);
  }
  return filters;
}

std::string to_text(const std::vector<Filter>& filters) {
  std::string text;
  for (const Filter filter : filters) text += (text.empty() ? "" : ";") + name(filter);
  return text;
}

void require_possible(const SamplingOptions& o) {
  require_in_range(o);
  const auto require_filter = [&](bool wanted, const char* option, Filter filter) {
    if (!wanted || contains(o.order, filter)) return;
    throw ConfigError(format("{} is given, but --samplers '{}' does not have '{}'", option,
                             to_text(o.order), name(filter)));
  };
  require_filter(o.has_penalties(), "a penalty", Filter::kPenalties);
  // 0 is not a factor but another way to choose.
  require_filter(o.temperature != 1 && o.temperature != 0, "--temperature", Filter::kTemperature);
  require_filter(o.top_k > 0, "--top-k", Filter::kTopK);
  require_filter(o.top_p < 1, "--top-p", Filter::kTopP);
  require_filter(o.min_p > 0, "--min-p", Filter::kMinP);
}

}  // namespace lckv::infer
