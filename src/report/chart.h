#pragma once

#include <string>
#include <vector>

#include "lckv/report/axis.h"
#include "lckv/report/series.h"

namespace lckv::report {

/// How a curve is drawn; one chart gives each of its kinds a stroke of its own.
enum class Stroke {
  kSolid,
  kFaint,  // behind the others: raw values
  kDots,   // solid with a dot at every point
  kDashed,
  kDashedDots,  // dashed with dots
  kMarks,       // squares alone
};

/// Where a curve's colour comes from: "var(--c0)", ... of the page's style.
std::string run_colour(size_t run);
/// Of a value that lies at `frac` of an ordered range, 0..1.
std::string ordered_colour(double frac);

struct Curve {
  std::string group;   // what its colour stands for: a run, a pass; toggled together
  std::string colour;  // a CSS value of the functions above
  std::string kind;    // what its stroke stands for: "raw", "smoothed"; toggled together
  Stroke stroke = Stroke::kSolid;
  Series points;  // whole; the chart thins it
};

struct Chart {
  std::string title;
  std::string x_label, y_label;  // with units
  ScaleKind y_scale = ScaleKind::kLinear;
  bool y_from_zero = false;  // a rate or a share, where nothing means 0
  bool x_whole = false;      // x counts few things: a tick at each
  std::vector<Curve> curves;
  std::string note;  // one sentence below, "" for none
};

/// The figure: title, legend whose entries toggle curves, frame with grid and curves, ticks, and
/// the points of every curve as JSON for hovering. Texts are escaped here. `id` is unique on the
/// page. At least one curve with a finite point.
std::string chart_html(const Chart& chart, int id);

/// What the frame shows of x and of y.
struct ChartAxes {
  Axis x, y;
};
ChartAxes chart_axes(const Chart& chart);

/// Parts of chart_html(): the picture inside the frame, which stretches to any size, and the JSON.
/// Of both the curves are `drawn`, thinned.
std::string chart_svg(const Chart& chart, const std::vector<Series>& drawn, const ChartAxes& axes);
std::string swatch_svg(Stroke stroke);  // a short piece of such a line, for the legend
std::string chart_json(const Chart& chart, const std::vector<Series>& drawn, const ChartAxes& axes);

}  // namespace lckv::report
