#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "lckv/base/text.h"
#include "lckv/report/sections.h"

namespace lckv::report {

namespace {

const std::string kPrefix = "kv_convergence/pass_";
constexpr size_t kMostDotted = 9;  // curves of one chart

/// The series of each pass, in order.
std::map<int, Series> passes_of(const RunFiles& run) {
  std::map<int, Series> passes;
  for (const auto& [name, series] : run.metrics.series) {
    if (!name.starts_with(kPrefix)) continue;
    const char* const end = name.data() + name.size();
    int pass = 0;
    const auto [stopped, error] = std::from_chars(name.data() + kPrefix.size(), end, pass);
    if (error == std::errc() && stopped == end) passes[pass] = series;
  }
  return passes;
}

/// What the passes of the last measured step were.
Series last_by_pass(const std::map<int, Series>& passes, double step) {
  Series last;
  for (const auto& [pass, series] : passes) {
    if (series.x.back() == step) last.add(pass, series.y.back());
  }
  return last;
}

double last_step(const std::map<int, Series>& passes) {
  double step = 0;
  for (const auto& [pass, series] : passes) step = std::max(step, series.x.back());
  return step;
}

Chart make_chart(const std::string& title, const std::string& x_label) {
  Chart chart;
  chart.title = title;
  chart.x_label = x_label;
  chart.y_label = "relative change of K,V";
  chart.y_scale = ScaleKind::kLog;
  return chart;
}

/// "a: step 400, trained in 9 passes"
std::string measured_at(const RunFiles& run, double step) {
  std::string text = format("{}: step {}", run.label, with_thousands(int64_t(step)));
  if (!run.config) return text;
  const config::ModelConfig& model = run.config->model;
  return text + format(", trained in {} passes", model.forward_passes + model.backward_passes);
}

Chart by_pass(const PageInputs& page) {
  Chart chart = make_chart("At the last validation, by pass", "pass");
  chart.x_whole = true;
  for (size_t i = 0; i < page.runs.size(); ++i) {
    const auto passes = passes_of(page.runs[i]);
    if (passes.empty()) continue;
    const double step = last_step(passes);
    chart.note += (chart.note.empty() ? "" : "; ") + measured_at(page.runs[i], step);
    chart.curves.push_back(
        {page.runs[i].label, run_colour(i), "last", Stroke::kDots, last_by_pass(passes, step)});
  }
  chart.note += ".";
  return chart;
}

Chart over_steps(const PageInputs& page, const RunFiles& run) {
  auto passes = passes_of(run);
  Chart chart = make_chart("By pass over the run: " + run.label, x_label(page.across));
  const double first = passes.begin()->first, last = passes.rbegin()->first;
  const Stroke stroke = passes.size() > kMostDotted ? Stroke::kSolid : Stroke::kDots;
  for (auto& [pass, series] : passes) {
    put_over(series, run, page.across);
    const double frac = last > first ? (pass - first) / (last - first) : 0;
    chart.curves.push_back(
        {format("pass {}", pass), ordered_colour(frac), "change", stroke, std::move(series)});
  }
  return chart;
}

std::string exponent_text(double value) {
  return std::isfinite(value) ? format("{:.2e}", value) : kNothing;
}

/// The last value of `name` in every run.
Row last_row(const Runs& runs, const std::string& label, const std::string& name,
             std::string (*text)(double)) {
  Row row{label, {}, false};
  for (const RunFiles& run : runs) {
    row.cells.push_back({.text = text(last_finite(run.metrics.get(name))), .detail = ""});
  }
  return row;
}

bool says_nothing(const Row& row) {
  return std::all_of(row.cells.begin(), row.cells.end(),
                     [](const Cell& cell) { return cell.text == kNothing; });
}

/// How far the last pass is from the fixed point, where that was measured.
std::string distance_table(const Runs& runs) {
  Table table{"Last measurement", run_columns(runs), {}, false};
  table.rows = {last_row(runs, "distance of the passes of training from the fixed point, relative",
                         "kv_convergence/exact_distance", exponent_text),
                last_row(runs, "passes until nothing changes", "validation/exact_passes",
                         [](double value) { return number_or_nothing(value, 0); })};
  std::erase_if(table.rows, says_nothing);
  return table.rows.empty() ? "" : table_html(table);
}

}  // namespace

Section kv_convergence_section(const PageInputs& page) {
  const char* const title = "Convergence of keys and values";
  std::vector<Chart> charts = {by_pass(page)};
  if (!has_points(charts[0])) {
    return {title, "", "no run has \"kv_convergence/pass_2\" and more in its metrics.jsonl"};
  }
  for (const RunFiles& run : page.runs) {
    if (passes_of(run).empty()) continue;
    Chart chart = over_steps(page, run);
    if (has_points(chart)) charts.push_back(std::move(chart));
  }
  const char* const lead =
      "<p>How much the keys and values that are read upward change from one pass to the next: the "
      "Frobenius norm of the change over that of the result, the largest among the layers that are "
      "read.</p>";
  return {title, lead + charts_html(page, charts) + distance_table(page.runs), ""};
}

}  // namespace lckv::report
