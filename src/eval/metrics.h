#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace lckv::eval {

// What the values of a task's documents become (spec/evaluation.md 3.1). None of the lists is
// empty; all sums run in double, in the order of the list, as Python's do.

/// A number and, where it has one, its standard error.
struct Estimate {
  double value = 0;
  std::optional<double> std_error;
};

/// The mean, and the sample's standard deviation over sqrt(n); none for n = 1.
Estimate mean_of(std::span<const double> values);

/// exp(-mean of the log-probabilities). Its standard error is a bootstrap's: the standard deviation
/// of the perplexities of `resamples` draws of n values with replacement, in chunks of 1000, chunk
/// i drawn by Python's Random(i).choices. Whole chunks only; none for n = 1 or no chunk. The same
/// for every number of `threads`.
Estimate perplexity_of(std::span<const double> lls, int64_t resamples, int threads);

/// The sums over a task's pages.
struct PageTotals {
  double ll = 0;
  int64_t words = 0, bytes = 0;
};
double word_perplexity(const PageTotals& totals);
double byte_perplexity(const PageTotals& totals);
double bits_per_byte(const PageTotals& totals);

}  // namespace lckv::eval
