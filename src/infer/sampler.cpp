#include "lckv/infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lckv/base/error.h"
#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/tensor/dtype.h"

namespace lckv::infer {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// f(token, logit) for every one.
template <class F>
void for_each_logit(ConstView logits, const F& f) {
  const auto visit = [&](const auto* values) {
    for (int64_t i = 0; i < logits.numel(); ++i) {
      const auto value = static_cast<double>(values[i]);
      if (std::isnan(value) || value == kInfinity) {
        throw DataError(format("the model's logit of token {} is {}", i, value));
      }
      f(static_cast<int32_t>(i), value);
    }
  };
  if (logits.dtype() == DType::kF64) return visit(logits.data<double>());
  LCKV_CHECK(logits.dtype() == DType::kF32, "logits are F32 or F64");
  visit(logits.data<float>());
}

int32_t likeliest(const std::vector<Candidate>& candidates) {
  const Candidate* best = &candidates.front();
  for (const Candidate& c : candidates) {
    if (c.logit > best->logit || (c.logit == best->logit && c.token < best->token)) best = &c;
  }
  return best->token;
}

/// In (0, 1), with 52 random bits: both ends are spared, where -log has no use for a draw.
double inner_uniform(const CounterRng& rng, uint64_t index) {
  return (static_cast<double>(rng.bits(index) >> 12) + 0.5) * 0x1p-52;
}

/// argmax of p / e as argmax of logit - log(e), e = -log(u).
int32_t draw_from(const std::vector<Candidate>& candidates, const Draw& draw) {
  const CounterRng rng(draw.seed, draw.stream);
  // Most tokens cannot win and are spared both logarithms: e >= 1 - u, so that logit - log(e) stays
  // below the best when 1 - u > 1 / (1 + behind) >= exp(-behind). The margin covers rounding.
  constexpr double kMargin = 1e-12;
  double best = -kInfinity;
  int32_t token = candidates.front().token;
  for (const Candidate& c : candidates) {
    const uint64_t index =
        (static_cast<uint64_t>(draw.position) << 32) | static_cast<uint32_t>(c.token);
    const double u = inner_uniform(rng, index);
    if ((1 - u) * (1 + (best - c.logit)) > 1 + kMargin) continue;
    const double score = c.logit - std::log(-std::log(u));
    if (score > best || (score == best && c.token < token)) {
      best = score;
      token = c.token;
    }
  }
  return token;
}

}  // namespace

void Sampler::collect(ConstView logits, std::span<const int32_t> forbidden) {
  candidates_.clear();
  candidates_.reserve(static_cast<size_t>(logits.numel()));
  for_each_logit(logits, [&](int32_t token, double logit) {
    if (logit == -kInfinity) return;
    if (std::find(forbidden.begin(), forbidden.end(), token) != forbidden.end()) return;
    candidates_.push_back({token, logit});
  });
  if (!candidates_.empty()) return;
  throw DataError(format("no token is left to choose from: of {} logits all are -inf or forbidden",
                         logits.numel()));
}

void Sampler::filter(const SamplingOptions& options, std::span<const int32_t> history) {
  for (const Filter filter : options.order) {
    switch (filter) {
      case Filter::kPenalties:
        if (options.has_penalties()) apply_penalties(candidates_, options, history, counts_);
        break;
      case Filter::kTemperature:
        if (options.temperature > 0) apply_temperature(candidates_, options.temperature);
        break;
      case Filter::kTopK:
        keep_top_k(candidates_, options.top_k);
        break;
      case Filter::kTopP:
        keep_top_p(candidates_, options.top_p);
        break;
      case Filter::kMinP:
        keep_min_p(candidates_, options.min_p);
        break;
    }
  }
}

int32_t Sampler::sample(ConstView logits, const SamplingOptions& options,
                        std::span<const int32_t> history, std::span<const int32_t> forbidden,
                        const Draw& draw) {
  collect(logits, forbidden);
  if (options.has_penalties()) {
    const int32_t largest = history.empty() ? 0 : *std::max_element(history.begin(), history.end());
    const auto count = static_cast<size_t>(std::max<int64_t>(logits.numel(), largest + 1));
    if (counts_.size() < count) counts_.resize(count, 0);
  }
  filter(options, history);
  return options.temperature == 0 ? likeliest(candidates_) : draw_from(candidates_, draw);
}

Logprobs logprobs_of(ConstView logits, int32_t chosen, int64_t count) {
  LCKV_CHECK(chosen >= 0 && chosen < logits.numel(),
             format("token {} of {} logits", chosen, logits.numel()));
  std::vector<TokenLogprob> all;
  double largest = -kInfinity;
  for_each_logit(logits, [&](int32_t token, double logit) {
    all.push_back({token, logit});
    largest = std::max(largest, logit);
  });
  if (largest == -kInfinity) throw DataError("all logits of the model are -inf");
  double sum = 0;
  for (const TokenLogprob& t : all) sum += std::exp(t.logprob - largest);
  const double total = largest + std::log(sum);
  for (TokenLogprob& t : all) t.logprob -= total;
  Logprobs result;
  result.chosen = all[static_cast<size_t>(chosen)];
  const auto end = all.begin() + std::min(count, std::ssize(all));
  std::partial_sort(all.begin(), end, all.end(), [](const TokenLogprob& a, const TokenLogprob& b) {
    return a.logprob != b.logprob ? a.logprob > b.logprob : a.token < b.token;
  });
  result.top.assign(all.begin(), end);
  return result;
}

}  // namespace lckv::infer
