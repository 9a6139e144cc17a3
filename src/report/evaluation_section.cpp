#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "lckv/base/text.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

const std::string kPrefix = "eval/", kError = "_stderr";

/// Names of scores, "eval/<task>/<metric>", that any run has; without their standard errors.
std::set<std::string> score_names(const Runs& runs) {
  std::set<std::string> names;
  for (const RunFiles& run : runs) {
    for (const auto& [name, series] : run.metrics.series) {
      if (name.starts_with(kPrefix) && !name.ends_with(kError)) names.insert(name);
    }
  }
  return names;
}

/// "questions: acc_norm" of "eval/questions/acc_norm".
std::string shown(const std::string& name) {
  std::string text = name.substr(kPrefix.size());
  const size_t slash = text.rfind('/');
  if (slash != std::string::npos) text.replace(slash, 1, ": ");
  return text;
}

Cell score_cell(const RunFiles& run, const std::string& name) {
  const Series& scores = run.metrics.get(name);
  if (scores.empty()) return {.text = kNothing, .detail = ""};
  const double error = last_finite(run.metrics.get(name + kError));
  Cell cell{.text = number_or_nothing(scores.y.back(), 4), .detail = ""};
  if (std::isfinite(error)) cell.text += format(" \u00b1 {:.4f}", error);
  cell.detail = format("step {}", with_thousands(int64_t(scores.x.back())));
  return cell;
}

std::string score_table(const Runs& runs, const std::set<std::string>& names) {
  Table table{"Last score", run_columns(runs), {}, false};
  for (const std::string& name : names) {
    Row row{shown(name), {}, false};
    for (const RunFiles& run : runs) row.cells.push_back(score_cell(run, name));
    table.rows.push_back(std::move(row));
  }
  return table_html(table);
}

bool was_scored_twice(const Runs& runs, const std::string& name) {
  return std::any_of(runs.begin(), runs.end(),
                     [&](const RunFiles& run) { return run.metrics.get(name).size() > 1; });
}

}  // namespace

Section evaluation_section(const PageInputs& page) {
  const std::set<std::string> names = score_names(page.runs);
  if (names.empty()) {
    return {"Evaluation", "", "no run has \"eval/...\" in its metrics.jsonl"};
  }
  std::string html = score_table(page.runs, names);
  std::vector<Chart> charts;
  for (const std::string& name : names) {
    if (!was_scored_twice(page.runs, name)) continue;
    Chart chart = empty_chart(page, shown(name), "score");
    add_curves(chart, page, name, "score", Stroke::kDots);
    if (has_points(chart)) charts.push_back(std::move(chart));
  }
  if (!charts.empty()) html += charts_html(page, charts);
  return {"Evaluation", html, ""};
}

}  // namespace lckv::report
