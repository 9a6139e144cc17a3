#include "lckv/infer/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/base/random.h"

namespace lckv::infer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

ConstView view(const std::vector<double>& logits) {
  return {logits.data(), DType::kF64, {std::ssize(logits)}};
}

int32_t sample(const std::vector<double>& logits, const SamplingOptions& options,
               const Draw& draw = {}, const std::vector<int32_t>& history = {},
               const std::vector<int32_t>& forbidden = {}) {
  return Sampler().sample(view(logits), options, history, forbidden, draw);
}

std::vector<double> softmax(std::vector<double> logits) {
  const double largest = *std::max_element(logits.begin(), logits.end());
  double sum = 0;
  for (double& l : logits) sum += l = std::exp(l - largest);
  for (double& l : logits) l /= sum;
  return logits;
}

/// Of `draws` tokens against exact probabilities; tokens that must not come make it infinite.
double chi_square(const std::vector<double>& logits, const SamplingOptions& options,
                  const std::vector<double>& exact, int draws) {
  Sampler sampler;
  std::vector<double> counts(exact.size(), 0);
  for (int i = 0; i < draws; ++i) {
    const Draw draw{options.seed, static_cast<uint64_t>(i / 100), i % 100};
    ++counts[static_cast<size_t>(sampler.sample(view(logits), options, {}, {}, draw))];
  }
  double sum = 0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double expected = exact[i] * draws;
    if (expected == 0 && counts[i] > 0) return kInfinity;
    if (expected > 0) sum += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  return sum;
}

/// Passed by one honest sampler in a million (Wilson and Hilferty's approximation).
double chi_square_bound(double freedom) {
  const double one_in_a_million = 4.7534, part = 2 / (9 * freedom);
  return freedom * std::pow(1 - part + one_in_a_million * std::sqrt(part), 3);
}

const std::vector<double> kLogits = {1.5, -0.5, 0.25, 3.0, -2.0, 0.25, 2.0, -1.0};

TEST(Sampler, DrawsEveryTokenWithItsProbability) {
  const double bound = chi_square_bound(7);
  EXPECT_LT(chi_square(kLogits, {}, softmax(kLogits), 200000), bound);
  // The test can fail: it notices when a twentieth of one token's probability goes to another.
  std::vector<double> wrong = softmax(kLogits);
  wrong[0] += 0.05 * wrong[3];
  wrong[3] -= 0.05 * wrong[3];
  EXPECT_GT(chi_square(kLogits, {}, wrong, 200000), bound);
}

TEST(Sampler, DrawsWithItsProbabilityBehindFilters) {
  SamplingOptions options;
  options.temperature = 0.7;
  options.top_k = 5;
  options.top_p = 0.98;
  std::vector<double> logits = kLogits;
  for (double& l : logits) l /= 0.7;
  for (const size_t dropped : {1, 4, 7}) logits[dropped] = -kInfinity;  // by top-k
  const std::vector<double> five = softmax(logits);
  ASSERT_LT(five[3] + five[6] + five[0], 0.98);  // of the two equal ones the first crosses 0.98
  ASSERT_GT(five[3] + five[6] + five[0] + five[2], 0.98);
  logits[5] = -kInfinity;
  EXPECT_LT(chi_square(kLogits, options, softmax(logits), 100000), chi_square_bound(3));
}

TEST(Sampler, DrawsFromManyUnlikelyTokensToo) {
  // Where shortcuts would show: one token ahead of two hundred that together are likelier.
  std::vector<double> logits(201, 0.0);
  logits[100] = 4.5;
  EXPECT_LT(chi_square(logits, {}, softmax(logits), 50000), chi_square_bound(200));
}

TEST(Sampler, IsTheArgmaxOfEveryTokenAlthoughItSkipsMost) {
  std::vector<double> logits;
  for (uint64_t i = 0; i < 300; ++i) logits.push_back(1.5 * CounterRng(9, 9).normal(i));
  for (int64_t position = 0; position < 500; ++position) {
    const CounterRng rng(5, 6);
    std::vector<double> scores;
    for (size_t i = 0; i < logits.size(); ++i) {
      const uint64_t bits = rng.bits((static_cast<uint64_t>(position) << 32) | i);
      const double u = (static_cast<double>(bits >> 12) + 0.5) * 0x1p-52;
      scores.push_back(logits[i] - std::log(-std::log(u)));
    }
    const auto best = std::max_element(scores.begin(), scores.end()) - scores.begin();
    EXPECT_EQ(sample(logits, {}, {5, 6, position}), best);
  }
}

TEST(Sampler, IsAFunctionOfSeedStreamAndPosition) {
  const std::vector<double> logits(64, 0.0);
  const auto text = [&](const Draw& first) {
    std::vector<int32_t> tokens;
    for (int64_t i = 0; i < 20; ++i) {
      tokens.push_back(sample(logits, {}, {first.seed, first.stream, first.position + i}));
    }
    return tokens;
  };
  const std::vector<int32_t> tokens = text({1, 2, 3});
  EXPECT_EQ(tokens, text({1, 2, 3}));
  EXPECT_NE(tokens, text({2, 2, 3}));
  EXPECT_NE(tokens, text({1, 3, 3}));
  EXPECT_NE(tokens, text({1, 2, 4}));
}

TEST(Sampler, DrawsTheSameFromFloatsAndDoubles) {
  const std::vector<float> narrow = {1.5F, -0.5F, 0.25F, 3.0F, -2.0F, 0.25F, 2.0F, -1.0F};
  for (int64_t position = 0; position < 100; ++position) {
    const ConstView floats(narrow.data(), DType::kF32, {8});
    EXPECT_EQ(Sampler().sample(floats, {}, {}, {}, {7, 0, position}),
              sample(kLogits, {}, {7, 0, position}));
  }
}

TEST(Sampler, TakesTheFirstOfTheLikeliestAtTemperatureZero) {
  SamplingOptions greedy;
  greedy.temperature = 0;
  EXPECT_EQ(sample({0, 2, 1, 2}, greedy), 1);
  greedy.top_k = 2;
  greedy.min_p = 1;
  EXPECT_EQ(sample({0, 2, 1, 2}, greedy), 1);
  greedy.repetition_penalty = 2;
  EXPECT_EQ(sample({0, 2, 1, 1.5}, greedy, {}, {1}), 3);
}

TEST(Sampler, NeverChoosesWhatIsForbiddenOrImpossible) {
  SamplingOptions greedy;
  greedy.temperature = 0;
  EXPECT_EQ(sample({0, 2, 1}, greedy, {}, {}, {1}), 2);
  for (int64_t position = 0; position < 50; ++position) {
    EXPECT_EQ(sample({-kInfinity, -kInfinity, -50, -kInfinity}, {}, {42, 0, position}), 2);
    EXPECT_EQ(sample({9, 0, 9}, {}, {42, 0, position}, {}, {0, 2}), 1);
  }
}

TEST(Sampler, RefusesLogitsThatAreNotFiniteAndChoicesOfNothing) {
  const auto message = [](const std::vector<double>& logits,
                          const std::vector<int32_t>& forbidden = {}) -> std::string {
    try {
      sample(logits, {}, {}, {}, forbidden);
    } catch (const DataError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message({0, std::nan(""), 1}), HasSubstr("token 1 is nan"));
  EXPECT_THAT(message({0, 1, kInfinity}), HasSubstr("token 2 is inf"));
  EXPECT_THAT(message({-kInfinity, -kInfinity}), HasSubstr("no token is left"));
  EXPECT_THAT(message({1, 2}, {0, 1}), HasSubstr("no token is left"));
  EXPECT_THROW(logprobs_of(view({0, std::nan("")}), 0, 1), DataError);
}

std::vector<int32_t> kept(std::vector<Candidate> candidates) {
  std::vector<int32_t> tokens;
  for (const Candidate& c : candidates) tokens.push_back(c.token);
  std::sort(tokens.begin(), tokens.end());
  return tokens;
}

std::vector<Candidate> candidates_of(const std::vector<double>& logits) {
  std::vector<Candidate> candidates;
  for (size_t i = 0; i < logits.size(); ++i) {
    candidates.push_back({static_cast<int32_t>(i), logits[i]});
  }
  return candidates;
}

std::vector<int32_t> top_k(const std::vector<double>& logits, int64_t k) {
  std::vector<Candidate> candidates = candidates_of(logits);
  keep_top_k(candidates, k);
  return kept(candidates);
}
std::vector<int32_t> top_p(const std::vector<double>& logits, double p) {
  std::vector<Candidate> candidates = candidates_of(logits);
  keep_top_p(candidates, p);
  return kept(candidates);
}
std::vector<int32_t> min_p(const std::vector<double>& logits, double p) {
  std::vector<Candidate> candidates = candidates_of(logits);
  keep_min_p(candidates, p);
  return kept(candidates);
}

TEST(TopK, KeepsTheLargestAndTheirEquals) {
  EXPECT_THAT(top_k({1, 4, 2, 3}, 2), ElementsAre(1, 3));
  EXPECT_THAT(top_k({1, 4, 2, 3}, 1), ElementsAre(1));
  EXPECT_THAT(top_k({1, 4, 2, 3}, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(top_k({1, 4, 2, 3}, 4), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(top_k({1, 4, 2, 3}, 100), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(top_k({2, 4, 2, 3, 2}, 3), ElementsAre(0, 1, 2, 3, 4));
  EXPECT_THAT(top_k({5}, 1), ElementsAre(0));
}

TEST(TopP, KeepsTheSmallestSetThatReachesItsMass) {
  // Probabilities 1/2, 1/4, 1/8, 1/8: sums without rounding.
  const std::vector<double> logits = {std::log(2), std::log(4), std::log(1), std::log(1)};
  EXPECT_THAT(top_p(logits, 0), ElementsAre(1));
  EXPECT_THAT(top_p(logits, 0.49), ElementsAre(1));
  EXPECT_THAT(top_p(logits, 0.51), ElementsAre(0, 1));
  EXPECT_THAT(top_p(logits, 0.76), ElementsAre(0, 1, 2));  // of equal ones the lower id
  EXPECT_THAT(top_p(logits, 0.88), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(top_p(logits, 1), ElementsAre(0, 1, 2, 3));
  // Sums that are exact: the mass is reached, not passed.
  EXPECT_THAT(top_p({0, 0, 0, 0}, 0.5), ElementsAre(0, 1));
  EXPECT_THAT(top_p({0, 0, 0, 0}, 0.5 + 1e-12), ElementsAre(0, 1, 2));
  EXPECT_THAT(top_p({7}, 0.3), ElementsAre(0));
}

TEST(TopP, IsWhatASortWouldKeep) {
  for (const size_t size : {2, 3, 17, 1000}) {
    for (const double p : {0.01, 0.3, 0.9, 0.999}) {
      const CounterRng rng(size, 1);
      std::vector<double> logits;
      for (size_t i = 0; i < size; ++i) logits.push_back(2 * rng.normal(i));
      std::vector<Candidate> sorted = candidates_of(logits);
      std::sort(sorted.begin(), sorted.end(),
                [](const Candidate& a, const Candidate& b) { return a.logit > b.logit; });
      const std::vector<double> probabilities = softmax(logits);
      double mass = 0;
      size_t count = 0;
      while (mass < p) mass += probabilities[static_cast<size_t>(sorted[count++].token)];
      sorted.resize(count);
      EXPECT_EQ(top_p(logits, p), kept(sorted)) << size << " " << p;
    }
  }
}

TEST(MinP, KeepsWhatHasThatPartOfTheLargestProbability) {
  const std::vector<double> logits = {std::log(8), std::log(5), std::log(2), std::log(0.5)};
  EXPECT_THAT(min_p(logits, 0), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(min_p(logits, 0.2), ElementsAre(0, 1, 2));
  EXPECT_THAT(min_p(logits, 0.3), ElementsAre(0, 1));
  EXPECT_THAT(min_p(logits, 1), ElementsAre(0));
}

std::vector<double> penalized(const std::vector<double>& logits, const SamplingOptions& options,
                              const std::vector<int32_t>& history) {
  std::vector<Candidate> candidates = candidates_of(logits);
  std::vector<int32_t> counts(logits.size(), 0);
  apply_penalties(candidates, options, history, counts);
  EXPECT_THAT(counts, testing::Each(0));
  std::vector<double> values;
  for (const Candidate& c : candidates) values.push_back(c.logit);
  return values;
}

TEST(Penalties, AreThoseOfTheFormula) {
  SamplingOptions options;
  options.repetition_penalty = 2;
  EXPECT_THAT(penalized({4, -4, 4, 0}, options, {0, 1, 0}), ElementsAre(2, -8, 4, 0));
  options.frequency_penalty = 0.5;
  options.presence_penalty = 0.25;
  // 2 - 2*0.5 - 0.25, -8 - 0.5 - 0.25
  EXPECT_THAT(penalized({4, -4, 4, 0}, options, {0, 1, 0}), ElementsAre(0.75, -8.75, 4, 0));
  options.repeat_last_n = 1;
  EXPECT_THAT(penalized({4, -4, 4, 0}, options, {0, 1, 0}), ElementsAre(1.25, -4, 4, 0));
  options.repeat_last_n = 0;
  EXPECT_THAT(penalized({4, -4, 4, 0}, options, {0, 1, 0}), ElementsAre(4, -4, 4, 0));
  options.repeat_last_n = 100;
  EXPECT_THAT(penalized({4, -4, 4, 0}, options, {0, 1, 0}), ElementsAre(0.75, -8.75, 4, 0));
}

/// Tokens that come in many draws.
std::set<int32_t> support(const std::vector<double>& logits, const SamplingOptions& options,
                          const std::vector<int32_t>& history = {}) {
  std::set<int32_t> tokens;
  for (int64_t i = 0; i < 500; ++i) tokens.insert(sample(logits, options, {3, 0, i}, history));
  return tokens;
}

TEST(FilterOrder, DecidesWhatIsLeft) {
  // Probabilities 0.4, 0.3, 0.2, 0.1; at temperature 1/4 they are 0.71 and more apart.
  const std::vector<double> logits = {std::log(4), std::log(3), std::log(2), std::log(1)};
  SamplingOptions options;
  options.temperature = 0.25;
  options.top_p = 0.75;
  EXPECT_THAT(support(logits, options), ElementsAre(0, 1));
  options.order = parse_filters("top_p;temperature");
  EXPECT_THAT(support(logits, options), ElementsAre(0, 1, 2));

  options = {};
  options.top_k = 2;
  options.top_p = 0.5;  // of two: 4/7 alone; of all: two
  EXPECT_THAT(support(logits, options), ElementsAre(0));
  options.order = parse_filters("top-p;top-k");
  EXPECT_THAT(support(logits, options), ElementsAre(0, 1));

  options = {};
  options.top_k = 1;
  options.repetition_penalty = 10;
  EXPECT_THAT(support(logits, options, {0}), ElementsAre(1));
  options.order = parse_filters("top_k;penalties");
  EXPECT_THAT(support(logits, options, {0}), ElementsAre(0));
}

TEST(FilterOrder, IsReadByName) {
  EXPECT_EQ(to_text(default_filters()), "penalties;temperature;top_k;top_p;min_p");
  EXPECT_EQ(to_text(parse_filters("min-p;top_k")), "min_p;top_k");
  const auto message = [](const std::string& text) -> std::string {
    try {
      parse_filters(text);
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(message("top_k;temprature"), HasSubstr("did you mean 'temperature'"));
  EXPECT_THAT(message("top_k;top-k"), HasSubstr("twice"));
  EXPECT_THAT(message("top_k;"), HasSubstr("there is no ''"));
}

TEST(SamplingOptions, RefusesWhatIsOutOfRangeOrWouldBeIgnored) {
  const auto refused = [](const auto& change) {
    SamplingOptions options;
    change(options);
    try {
      require_possible(options);
      return false;
    } catch (const ConfigError&) {
      return true;
    }
  };
  EXPECT_FALSE(refused([](auto&) {}));
  EXPECT_FALSE(refused([](auto& o) { o.temperature = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.temperature = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.temperature = std::nan(""); }));
  EXPECT_TRUE(refused([](auto& o) { o.top_k = -1; }));
  EXPECT_TRUE(refused([](auto& o) { o.top_p = 1.5; }));
  EXPECT_TRUE(refused([](auto& o) { o.min_p = -0.1; }));
  EXPECT_TRUE(refused([](auto& o) { o.repetition_penalty = 0; }));
  EXPECT_TRUE(refused([](auto& o) { o.repeat_last_n = -2; }));
  EXPECT_TRUE(refused([](auto& o) { o.presence_penalty = kInfinity; }));
  EXPECT_TRUE(refused([](auto& o) {
    o.top_k = 5;
    o.order = parse_filters("temperature");
  }));
}

TEST(Logprobs, AreTheLogSoftmaxOfAllLogits) {
  const std::vector<double> logits = {std::log(2), std::log(5), -kInfinity, std::log(3)};
  const Logprobs logprobs = logprobs_of(view(logits), 0, 2);
  EXPECT_EQ(logprobs.chosen.token, 0);
  EXPECT_NEAR(logprobs.chosen.logprob, std::log(0.2), 1e-15);
  ASSERT_EQ(logprobs.top.size(), 2U);
  EXPECT_EQ(logprobs.top[0].token, 1);
  EXPECT_NEAR(logprobs.top[0].logprob, std::log(0.5), 1e-15);
  EXPECT_EQ(logprobs.top[1].token, 3);
  EXPECT_EQ(logprobs_of(view(logits), 0, 100).top.size(), 4U);
}

}  // namespace
}  // namespace lckv::infer
