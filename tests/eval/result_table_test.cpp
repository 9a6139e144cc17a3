#include "lckv/eval/result_table.h"

#include <gtest/gtest.h>

namespace lckv::eval {
namespace {

TaskResult with_metrics(const char* task, std::vector<MetricResult> metrics, int64_t shots = 0) {
  TaskResult result;
  result.task = &find_task(task);
  result.shots = shots;
  result.metrics = std::move(metrics);
  return result;
}

TEST(ResultTable, IsTheTableOfTheHarness) {
  const std::vector<TaskResult> results = {
      with_metrics("hellaswag",
                   {{Metric::kAcc, {0.4422, 0.0050}}, {Metric::kAccNorm, {0.579, 0.0049}}}),
      with_metrics("boolq", {{Metric::kAcc, {0.61, 0.0085}}})};
  EXPECT_EQ(result_table(results),
            "|  Tasks  |Version|Filter|n-shot| Metric |   |Value |   |Stderr|\n"
            "|---------|------:|------|-----:|--------|---|-----:|---|-----:|\n"
            "|hellaswag|      1|none  |     0|acc     |↑  |0.4422|±  |0.0050|\n"
            "|         |       |none  |     0|acc_norm|↑  |0.5790|±  |0.0049|\n"
            "|boolq    |      2|none  |     0|acc     |↑  |0.6100|±  |0.0085|\n");
}

TEST(ResultTable, SortsMetricsByNameAndShowsWhatHasNoError) {
  const std::vector<TaskResult> results = {
      with_metrics("hellaswag",
                   {{Metric::kAcc, {0.4422, 0.0050}}, {Metric::kAccNorm, {0.579, 0.0049}}}, 5),
      with_metrics("wikitext",
                   {{Metric::kWordPerplexity, {28.51, {}}},
                    {Metric::kBytePerplexity, {1.87, {}}},
                    {Metric::kBitsPerByte, {0.9, {}}}},
                   5)};
  EXPECT_EQ(result_table(results),
            "|  Tasks  |Version|Filter|n-shot|    Metric     |   | Value |   |Stderr|\n"
            "|---------|------:|------|-----:|---------------|---|------:|---|------|\n"
            "|hellaswag|      1|none  |     5|acc            |↑  | 0.4422|±  |0.0050|\n"
            "|         |       |none  |     5|acc_norm       |↑  | 0.5790|±  |0.0049|\n"
            "|wikitext |      2|none  |     5|bits_per_byte  |↓  | 0.9000|±  |   N/A|\n"
            "|         |       |none  |     5|byte_perplexity|↓  | 1.8700|±  |   N/A|\n"
            "|         |       |none  |     5|word_perplexity|↓  |28.5100|±  |   N/A|\n");
}

}  // namespace
}  // namespace lckv::eval
