#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/chart.h"
#include "lckv/report/html.h"

namespace lckv::report {

namespace {

// The frame is kSide x kSide units, stretched to the size that it has on the page; strokes are not.
constexpr double kSide = 1000;

std::string across(double place) { return format("{:.1f}", place * kSide); }
std::string down(double place) { return format("{:.1f}", (1 - place) * kSide); }

std::string grid(const ChartAxes& axes) {
  std::string path;
  for (const double tick : axes.x.ticks) path += format("M{} 0V1000", across(axes.x.place(tick)));
  for (const double tick : axes.y.ticks) path += format("M0 {}H1000", down(axes.y.place(tick)));
  return format("<path class=\"grid\" d=\"{}\"/>", path);
}

/// A line through the points, interrupted where one has no place.
std::string line(const Series& points, const ChartAxes& axes) {
  std::string path;
  bool is_down = false;
  for (size_t i = 0; i < points.size(); ++i) {
    const double y = axes.y.place(points.y[i]);
    if (!std::isfinite(y)) {
      is_down = false;
      continue;
    }
    path += (is_down ? 'L' : 'M') + across(axes.x.place(points.x[i])) + ' ' + down(y);
    // A point between two gaps is a line of no length, which its round ends make a dot.
    if (!is_down) path += "h0";
    is_down = true;
  }
  return path;
}

/// A line of nearly no length at every point: square ends of one without any are not printed.
std::string dots(const Series& points, const ChartAxes& axes) {
  std::string path;
  for (size_t i = 0; i < points.size(); ++i) {
    const double y = axes.y.place(points.y[i]);
    if (std::isfinite(y)) path += format("M{} {}h.1", across(axes.x.place(points.x[i])), down(y));
  }
  return path;
}

const char* line_class(Stroke stroke) {
  if (stroke == Stroke::kFaint) return "faint";
  return stroke == Stroke::kDashed || stroke == Stroke::kDashedDots ? "dashed" : "solid";
}

/// nullptr where there are none.
const char* dot_class(Stroke stroke) {
  if (stroke == Stroke::kMarks) return "mark";
  return stroke == Stroke::kDots || stroke == Stroke::kDashedDots ? "dot" : nullptr;
}

std::string curve_svg(const Curve& curve, size_t index, const Series& points,
                      const ChartAxes& axes) {
  std::string svg = format("<g data-curve=\"{}\" data-points=\"{}\" style=\"--c:{}\">", index,
                           points.size(), curve.colour);
  if (curve.stroke != Stroke::kMarks) {
    svg +=
        format("<path class=\"line {}\" d=\"{}\"/>", line_class(curve.stroke), line(points, axes));
  }
  if (const char* const dot = dot_class(curve.stroke)) {
    svg += format("<path class=\"{}\" d=\"{}\"/>", dot, dots(points, axes));
  }
  return svg + "</g>";
}

}  // namespace

std::string swatch_svg(Stroke stroke) {
  std::string svg = "<svg class=\"swatch\" viewBox=\"0 0 26 10\" aria-hidden=\"true\">";
  if (stroke != Stroke::kMarks) {
    svg += format("<path class=\"line {}\" d=\"M1 5H25\"/>", line_class(stroke));
  }
  if (const char* const dot = dot_class(stroke)) {
    svg += format("<path class=\"{}\" d=\"M13 5h.1\"/>", dot);
  }
  return svg + "</svg>";
}

std::string chart_svg(const Chart& chart, const std::vector<Series>& drawn, const ChartAxes& axes) {
  std::string svg = format(
      "<svg viewBox=\"0 0 1000 1000\" preserveAspectRatio=\"none\" role=\"img\" "
      "aria-label=\"{}: {} over {}\">",
      escape_html(chart.title), escape_html(chart.y_label), escape_html(chart.x_label));
  svg += grid(axes);
  for (const bool faint : {true, false}) {  // faint curves lie behind
    for (size_t i = 0; i < chart.curves.size(); ++i) {
      if ((chart.curves[i].stroke == Stroke::kFaint) != faint) continue;
      svg += curve_svg(chart.curves[i], i, drawn[i], axes);
    }
  }
  return svg + "</svg>";
}

}  // namespace lckv::report
