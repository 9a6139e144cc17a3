#include "lckv/eval/result_table.h"

#include <algorithm>
#include <array>
#include <vector>

#include "lckv/base/text.h"
#include "lckv/eval/code_points.h"

namespace lckv::eval {

namespace {

constexpr size_t kColumns = 9;
using Row = std::array<std::string, kColumns>;

const Row kHeader = {"Tasks", "Version", "Filter", "n-shot", "Metric", "", "Value", "", "Stderr"};
constexpr const char* kNoError = "   N/A";

std::vector<MetricResult> by_name(std::vector<MetricResult> metrics) {
  std::sort(metrics.begin(), metrics.end(), [](const MetricResult& a, const MetricResult& b) {
    return name(a.metric) < name(b.metric);
  });
  return metrics;
}

std::vector<Row> rows_of(const TaskResult& result) {
  std::vector<Row> rows;
  for (const MetricResult& metric : by_name(result.metrics)) {
    const bool first = rows.empty();
    const auto& std_error = metric.estimate.std_error;
    rows.push_back(
        {first ? result.task->name : "", first ? format("{:g}", result.task->version) : "", "none",
         std::to_string(result.shots), std::string(name(metric.metric)),
         higher_is_better(metric.metric) ? "↑" : "↓", format("{:.4f}", metric.estimate.value), "±",
         std_error ? format("{:.4f}", *std_error) : kNoError});
  }
  return rows;
}

/// Numbers stand at the right; an error that is none makes its column one of texts.
std::array<bool, kColumns> numeric_columns(const std::vector<Row>& rows) {
  const bool errors =
      std::none_of(rows.begin(), rows.end(), [](const Row& row) { return row[8] == kNoError; });
  return {false, true, false, true, false, false, true, false, errors};
}

std::string padded(const std::string& cell, size_t width, bool numeric) {
  const std::string blanks(width - count_code_points(cell), ' ');
  return numeric ? blanks + cell : cell + blanks;
}

std::string centered(const std::string& cell, size_t width) {
  const size_t left = (width - cell.size()) / 2;
  return padded(std::string(left, ' ') + cell, width, false);
}

}  // namespace

std::string result_table(std::span<const TaskResult> results) {
  std::vector<Row> rows;
  for (const TaskResult& result : results) {
    for (Row& row : rows_of(result)) rows.push_back(std::move(row));
  }
  const auto numeric = numeric_columns(rows);
  std::string header = "|", rule = "|", body;
  std::array<size_t, kColumns> widths{};
  for (size_t c = 0; c < kColumns; ++c) {
    widths[c] = std::max<size_t>(3, kHeader[c].size());
    for (const Row& row : rows) widths[c] = std::max(widths[c], count_code_points(row[c]));
    header += centered(kHeader[c], widths[c]) + "|";
    rule += std::string(widths[c] - 1, '-') + (numeric[c] ? ":|" : "-|");
  }
  for (const Row& row : rows) {
    body += "|";
    for (size_t c = 0; c < kColumns; ++c) body += padded(row[c], widths[c], numeric[c]) + "|";
    body += "\n";
  }
  return header + "\n" + rule + "\n" + body;
}

}  // namespace lckv::eval
