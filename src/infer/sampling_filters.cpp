#include "lckv/infer/sampling_filters.h"

#include <algorithm>
#include <cmath>

namespace lckv::infer {

namespace {

bool likelier(const Candidate& a, const Candidate& b) {
  return a.logit != b.logit ? a.logit > b.logit : a.token < b.token;
}

double largest_logit(const std::vector<Candidate>& candidates) {
  return std::max_element(candidates.begin(), candidates.end(),
                          [](const Candidate& a, const Candidate& b) { return a.logit < b.logit; })
      ->logit;
}

}  // namespace

void apply_penalties(std::vector<Candidate>& candidates, const SamplingOptions& options,
                     std::span<const int32_t> history, std::vector<int32_t>& counts) {
  if (options.repeat_last_n >= 0) {
    history = history.last(std::min(history.size(), static_cast<size_t>(options.repeat_last_n)));
  }
  for (const int32_t token : history) ++counts[static_cast<size_t>(token)];
  for (Candidate& c : candidates) {
    const int32_t count = counts[static_cast<size_t>(c.token)];
    if (count == 0) continue;
    c.logit =
        c.logit > 0 ? c.logit / options.repetition_penalty : c.logit * options.repetition_penalty;
    c.logit -= count * options.frequency_penalty + options.presence_penalty;
  }
  for (const int32_t token : history) counts[static_cast<size_t>(token)] = 0;
}

void apply_temperature(std::vector<Candidate>& candidates, double temperature) {
  for (Candidate& c : candidates) c.logit /= temperature;
}

void keep_top_k(std::vector<Candidate>& candidates, int64_t k) {
  if (k == 0 || k >= std::ssize(candidates)) return;
  const auto last_kept = candidates.begin() + (k - 1);
  std::nth_element(candidates.begin(), last_kept, candidates.end(), likelier);
  const double least = last_kept->logit;
  std::erase_if(candidates, [least](const Candidate& c) { return c.logit < least; });
}

void keep_top_p(std::vector<Candidate>& candidates, double p) {
  if (p >= 1) return;
  const double largest = largest_logit(candidates);
  double total = 0;
  for (Candidate& c : candidates) total += c.weight = std::exp(c.logit - largest);
  // The token that crosses p is in [begin, end); all before are likelier, all behind less likely.
  auto begin = candidates.begin(), end = candidates.end();
  double mass = 0;  // before begin
  while (end - begin > 1) {
    const auto middle = begin + (end - begin) / 2;
    std::nth_element(begin, middle, end, likelier);
    double upper = mass;
    for (auto c = begin; c != middle; ++c) upper += c->weight;
    if (upper >= p * total) {
      end = middle;
    } else {
      mass = upper;
      begin = middle;
    }
  }
  candidates.erase(end, candidates.end());
}

void keep_min_p(std::vector<Candidate>& candidates, double min_p) {
  if (min_p == 0) return;
  const double least = largest_logit(candidates) + std::log(min_p);
  std::erase_if(candidates, [least](const Candidate& c) { return c.logit < least; });
}

}  // namespace lckv::infer
