#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/sections.h"
#include "lckv/report/smoothing.h"

namespace lckv::report {

std::string x_label(Across across) {
  return across == Across::kTokens ? "tokens trained on" : "step";
}

void put_over(Series& series, const RunFiles& run, Across across) {
  if (across == Across::kSteps) return;
  const Series& tokens = run.metrics.get("tokens");
  for (double& x : series.x) {
    const auto after = std::upper_bound(tokens.x.begin(), tokens.x.end(), x) - tokens.x.begin();
    x = after == 0 ? 0 : tokens.y[static_cast<size_t>(after - 1)];
  }
}

Series series_over(const RunFiles& run, const std::string& name, Across across) {
  Series series = run.metrics.get(name);
  put_over(series, run, across);
  return series;
}

std::vector<Column> run_columns(const Runs& runs) {
  std::vector<Column> columns;
  for (size_t i = 0; i < runs.size(); ++i) columns.push_back({runs[i].label, run_colour(i)});
  return columns;
}

Chart empty_chart(const PageInputs& page, const std::string& title, const std::string& y_label) {
  Chart chart;
  chart.title = title;
  chart.x_label = x_label(page.across);
  chart.y_label = y_label;
  return chart;
}

void add_curves(Chart& chart, const PageInputs& page, const std::string& name,
                const std::string& kind, Stroke stroke, Values values) {
  for (size_t i = 0; i < page.runs.size(); ++i) {
    Series series = series_over(page.runs[i], name, page.across);
    if (series.empty()) continue;
    if (values == Values::kSmoothed) series = smooth(series, smoothing_window(series.size()));
    chart.curves.push_back({page.runs[i].label, run_colour(i), kind, stroke, std::move(series)});
  }
}

Section charts_section(const PageInputs& page, const std::string& title, std::vector<Chart> charts,
                       const std::string& why_not) {
  std::erase_if(charts, [](const Chart& chart) { return !has_points(chart); });
  if (charts.empty()) return {title, "", why_not};
  return {title, charts_html(page, charts), ""};
}

bool has_points(const Chart& chart) {
  return std::any_of(chart.curves.begin(), chart.curves.end(),
                     [](const Curve& curve) { return std::isfinite(last_finite(curve.points)); });
}

std::string charts_html(const PageInputs& page, const std::vector<Chart>& charts) {
  std::string html = charts.size() > 1 ? "<div class=\"pair\">" : "<div>";
  for (const Chart& chart : charts) html += chart_html(chart, page.ids.next());
  return html + "</div>\n";
}

std::string number_or_nothing(double value, int decimals) {
  return std::isfinite(value) ? format("{:.{}f}", value, decimals) : kNothing;
}

}  // namespace lckv::report
