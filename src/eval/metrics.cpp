#include "lckv/eval/metrics.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>
#include <vector>

#include "lckv/base/activity.h"
#include "lckv/base/error.h"
#include "lckv/data/ordered_work.h"
#include "lckv/eval/python_random.h"

namespace lckv::eval {

namespace {

constexpr int64_t kChunk = 1000;

double mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

/// With n - 1 below the line.
double sample_deviation(std::span<const double> values) {
  const double center = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - center) * (value - center);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

/// Perplexity of random.choices(lls, k=len(lls)).
double resampled_perplexity(std::span<const double> lls, PythonRandom& random) {
  const auto n = static_cast<double>(lls.size());
  double sum = 0;
  for (size_t i = 0; i < lls.size(); ++i) sum += lls[static_cast<size_t>(random.uniform() * n)];
  return std::exp(-(sum / n));
}

struct Chunk {
  int64_t index = 0;
  int64_t size = 0;
  std::vector<double> perplexities;
};

std::vector<double> resampled_perplexities(std::span<const double> lls, int64_t resamples,
                                           int threads) {
  const int64_t size = std::min(kChunk, resamples);
  const int64_t chunks = resamples / size;
  int64_t made = 0;
  data::OrderedWork<Chunk> work(
      threads, 2 * threads,
      [&]() -> std::optional<Chunk> {
        if (made == chunks) return std::nullopt;
        return Chunk{made++, size, {}};
      },
      [&](Chunk& chunk) {
        PythonRandom random(static_cast<uint64_t>(chunk.index));
        for (int64_t i = 0; i < chunk.size; ++i) {
          chunk.perplexities.push_back(resampled_perplexity(lls, random));
        }
      });
  std::vector<double> all;
  while (const auto chunk = work.next()) {
    all.insert(all.end(), chunk->perplexities.begin(), chunk->perplexities.end());
    note_progress();
  }
  return all;
}

}  // namespace

Estimate mean_of(std::span<const double> values) {
  LCKV_CHECK(!values.empty(), "the mean of no values");
  Estimate estimate{mean(values), std::nullopt};
  if (values.size() > 1) {
    estimate.std_error = sample_deviation(values) / std::sqrt(static_cast<double>(values.size()));
  }
  return estimate;
}

Estimate perplexity_of(std::span<const double> lls, int64_t resamples, int threads) {
  LCKV_CHECK(!lls.empty() && resamples >= 0 && threads >= 1, "values and threads");
  Estimate estimate{std::exp(-mean(lls)), std::nullopt};
  if (lls.size() > 1 && resamples > 1) {
    estimate.std_error = sample_deviation(resampled_perplexities(lls, resamples, threads));
  }
  return estimate;
}

double word_perplexity(const PageTotals& totals) {
  return std::exp(-totals.ll / static_cast<double>(totals.words));
}

double byte_perplexity(const PageTotals& totals) {
  return std::exp(-totals.ll / static_cast<double>(totals.bytes));
}

double bits_per_byte(const PageTotals& totals) {
  return -totals.ll / static_cast<double>(totals.bytes) / std::numbers::ln2;
}

}  // namespace lckv::eval
