#include "lckv/eval/measure.h"

#include <algorithm>
#include <map>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

std::vector<double> values_of(Metric metric, std::span<const Document> documents,
                              const TaskResult& result) {
  std::vector<double> values;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const auto value = value_of(metric, documents[i], result.samples[i]);
    if (value) values.push_back(*value);
  }
  return values;
}

PageTotals page_totals(std::span<const Document> documents, const TaskResult& result) {
  PageTotals totals;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    if (!result.samples[i].error().empty()) continue;
    totals.ll += result.samples[i].scores.front().ll;
    totals.words += documents[i].words;
    totals.bytes += documents[i].bytes;
  }
  return totals;
}

Estimate estimate(Metric metric, std::span<const Document> documents, const TaskResult& result,
                  const MeasureOptions& options) {
  switch (metric) {
    case Metric::kAcc:
    case Metric::kAccNorm:
      return mean_of(values_of(metric, documents, result));
    case Metric::kPerplexity:
      return perplexity_of(values_of(metric, documents, result), options.bootstrap_resamples,
                           options.threads);
    case Metric::kWordPerplexity:
      return {word_perplexity(page_totals(documents, result)), std::nullopt};
    case Metric::kBytePerplexity:
      return {byte_perplexity(page_totals(documents, result)), std::nullopt};
    case Metric::kBitsPerByte:
      return {bits_per_byte(page_totals(documents, result)), std::nullopt};
  }
  return {};
}

void count_errors(std::span<const Document> documents, TaskResult& result) {
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const std::string error = result.samples[i].error();
    if (error.empty()) continue;
    if (result.errors == 0) result.first_error = format("{}: {}", documents[i].place, error);
    ++result.errors;
  }
  if (result.errors > 0 && result.errors == std::ssize(result.samples)) {
    throw DataError(format("task {}: none of the {} documents could be scored; the first: {}",
                           result.task->name, result.errors, result.first_error));
  }
}

/// The values of the documents of each kind.
std::map<std::string, std::vector<double>> values_by_kind(Metric metric,
                                                          std::span<const Document> documents,
                                                          const TaskResult& result) {
  std::map<std::string, std::vector<double>> kinds;
  for (size_t i = 0; i < result.samples.size(); ++i) {
    const auto value = value_of(metric, documents[i], result.samples[i]);
    if (value) kinds[documents[i].kind].push_back(*value);
  }
  return kinds;
}

void measure_kinds(std::span<const Document> documents, TaskResult& result) {
  const auto asked = documents.first(result.samples.size());
  if (std::all_of(asked.begin(), asked.end(), [](const auto& d) { return d.kind.empty(); })) {
    return;
  }
  for (const Metric metric : result.task->metrics) {
    for (const auto& [kind, values] : values_by_kind(metric, documents, result)) {
      KindResult& own = result.by_kind[kind];
      own.scored = std::ssize(values);
      own.metrics.push_back({metric, mean_of(values)});
    }
  }
}

}  // namespace

std::optional<double> value_of(Metric metric, const Document& document, const Sample& sample) {
  if (!sample.error().empty()) return std::nullopt;
  if (document.choices.empty()) {
    const RequestScore& score = sample.scores.front();
    return metric == Metric::kAcc ? (score.is_greedy ? 1.0 : 0.0) : score.ll;
  }
  if (!document.gold) return std::nullopt;
  const size_t pick = metric == Metric::kAcc ? sample.answer->pick : sample.answer->pick_norm;
  return pick == *document.gold ? 1.0 : 0.0;
}

void measure(std::span<const Document> documents, const MeasureOptions& options,
             TaskResult& result) {
  count_errors(documents, result);
  result.scored = std::ssize(values_of(result.task->metrics.front(), documents, result));
  if (result.scored == 0) return;
  for (const Metric metric : result.task->metrics) {
    result.metrics.push_back({metric, estimate(metric, documents, result, options)});
  }
  measure_kinds(documents, result);
}

}  // namespace lckv::eval
