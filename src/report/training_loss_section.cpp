#include <algorithm>
#include <cmath>
#include <set>

#include "lckv/base/text.h"
#include "lckv/report/sections.h"
#include "lckv/report/smoothing.h"

namespace lckv::report {

namespace {

constexpr double kLogFrom = 3;        // a curve that falls by such a factor needs a log scale
constexpr size_t kWorthHalving = 40;  // points
const std::set<std::string> kMarked = {"spike", "skipped", "resumed", "diverged"};

double factor(const std::vector<Curve>& curves) {
  double least = INFINITY, most = 0;
  for (const Curve& curve : curves) {
    for (const double y : curve.points.y) {
      if (y > 0) least = std::min(least, y), most = std::max(most, y);
    }
  }
  return most / least;
}

/// The value at that step or, where there is none, at the next that has one, or the last.
double finite_near(const Series& series, double step) {
  auto at = std::lower_bound(series.x.begin(), series.x.end(), step) - series.x.begin();
  for (; static_cast<size_t>(at) < series.size(); ++at) {
    const double y = series.y[static_cast<size_t>(at)];
    if (std::isfinite(y)) return y;
  }
  return last_finite(series);
}

/// Where the run met with something, on its curve of raw values.
Series marks(const RunFiles& run, const Series& loss) {
  Series marks;
  for (const Event& event : run.events) {
    if (!kMarked.contains(event.kind)) continue;
    const double step = static_cast<double>(event.step);
    marks.add(step, finite_near(loss, step));
  }
  sort_by_x(marks);
  return marks;
}

void add_run(Chart& chart, const PageInputs& page, size_t i) {
  const RunFiles& run = page.runs[i];
  const Series& raw = run.metrics.get("loss");
  if (raw.empty()) return;
  const auto add = [&](const char* kind, Stroke stroke, Series series) {
    put_over(series, run, page.across);
    chart.curves.push_back({run.label, run_colour(i), kind, stroke, std::move(series)});
  };
  add("smoothed", Stroke::kSolid, smooth(raw, smoothing_window(raw.size())));
  add("raw", Stroke::kFaint, raw);
  const Series events = marks(run, raw);
  if (!events.empty()) add("health events", Stroke::kMarks, events);
}

std::string smoothing_note(const Runs& runs) {
  std::set<size_t> windows;
  for (const RunFiles& run : runs) {
    const size_t points = run.metrics.get("loss").size();
    if (points > 0) windows.insert(smoothing_window(points));
  }
  if (windows.size() == 1) {
    return format("Smoothed: the mean of the {} values around each.", *windows.begin());
  }
  return format("Smoothed: the mean of the {} to {} values around each, a fiftieth of the run.",
                *windows.begin(), *windows.rbegin());
}

/// The last half of what the longest run covers, where the curves have come close to each other.
Chart second_half(const Chart& whole) {
  Chart half = whole;
  half.title = "Second half";
  half.y_scale = ScaleKind::kLinear;
  half.note.clear();
  double last = 0;
  for (const Curve& curve : whole.curves) last = std::max(last, curve.points.x.back());
  for (Curve& curve : half.curves) curve.points = from_x(curve.points, last / 2);
  std::erase_if(half.curves, [](const Curve& curve) { return curve.points.empty(); });
  return half;
}

size_t longest(const Chart& chart) {
  size_t most = 0;
  for (const Curve& curve : chart.curves) most = std::max(most, curve.points.size());
  return most;
}

}  // namespace

Section training_loss_section(const PageInputs& page) {
  Chart chart = empty_chart(page, "Whole run", "loss, nats per token");
  for (size_t i = 0; i < page.runs.size(); ++i) add_run(chart, page, i);
  if (!has_points(chart)) return {"Training loss", "", "no run has \"loss\" in its metrics.jsonl"};
  if (factor(chart.curves) > kLogFrom) chart.y_scale = ScaleKind::kLog;
  chart.note = smoothing_note(page.runs);
  std::vector<Chart> charts = {chart};
  if (longest(chart) >= kWorthHalving) charts.push_back(second_half(chart));
  return {"Training loss", charts_html(page, charts), ""};
}

}  // namespace lckv::report
