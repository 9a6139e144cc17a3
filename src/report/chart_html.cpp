#include <algorithm>
#include <cmath>

#include "lckv/base/text.h"
#include "lckv/report/chart.h"
#include "lckv/report/html.h"
#include "lckv/report/thinning.h"

namespace lckv::report {

namespace {

constexpr size_t kColours = 7;  // --c0 .. of the page's style

/// What the entries of a legend stand for, in the order in which they come first.
struct Entry {
  std::string text;
  std::string colour;  // "" for kinds
  Stroke stroke;
};

void add_once(std::vector<Entry>& entries, Entry entry) {
  const bool is_known = std::any_of(entries.begin(), entries.end(),
                                    [&](const Entry& known) { return known.text == entry.text; });
  if (!is_known) entries.push_back(std::move(entry));
}

std::string button(const Entry& entry, const char* what, size_t number) {
  return format(
      "<button type=\"button\" class=\"key\" aria-pressed=\"true\" data-{}=\"{}\" "
      "style=\"--c:{}\">{}<span>{}</span></button>",
      what, number, entry.colour.empty() ? "var(--muted)" : entry.colour, swatch_svg(entry.stroke),
      escape_html(entry.text));
}

std::string legend(const Chart& chart) {
  std::vector<Entry> groups, kinds;
  for (const Curve& curve : chart.curves) {
    add_once(groups, {curve.group, curve.colour, Stroke::kSolid});
    add_once(kinds, {curve.kind, "", curve.stroke});
  }
  std::string html = "<div class=\"legend\" role=\"group\" aria-label=\"Curves shown\">";
  for (size_t i = 0; i < groups.size(); ++i) html += button(groups[i], "group", i);
  if (kinds.size() > 1) {
    html += "<span class=\"gap\"></span>";
    for (size_t i = 0; i < kinds.size(); ++i) html += button(kinds[i], "kind", i);
  }
  return html + "</div>";
}

std::string ticks(const Axis& axis, const char* name, const char* side) {
  const std::vector<std::string> texts = tick_texts(axis);
  std::string html = format("<div class=\"{}\" aria-hidden=\"true\">", name);
  for (size_t i = 0; i < texts.size(); ++i) {
    html += format("<span style=\"{}:{:.2f}%\">{}</span>", side, 100 * axis.place(axis.ticks[i]),
                   texts[i]);
  }
  return html + "</div>";
}

/// "Thinned: quickstart keeps 1 001 of 1 000 000 points ..."
std::string thinning_note(const Chart& chart, const std::vector<Series>& drawn) {
  size_t most_points = 0, most_drawn = 0;
  for (size_t i = 0; i < drawn.size(); ++i) {
    if (drawn[i].size() == chart.curves[i].points.size()) continue;
    most_points = std::max(most_points, chart.curves[i].points.size());
    most_drawn = std::max(most_drawn, drawn[i].size());
  }
  if (most_points == 0) return "";
  return format(
      " Thinned to what a screen shows: of up to {} points of a curve {} are drawn, the "
      "smallest and the largest of each of {} stretches.",
      with_thousands(int64_t(most_points)), with_thousands(int64_t(most_drawn)), kMostPoints / 2);
}

std::string note(const Chart& chart, const std::vector<Series>& drawn) {
  const std::string text = chart.note + thinning_note(chart, drawn);
  return text.empty() ? "" : "<p class=\"note\">" + escape_html(text) + "</p>";
}

}  // namespace

std::string run_colour(size_t run) {
  if (run < kColours) return format("var(--c{})", run);
  constexpr double kGoldenAngle = 137.5;  // the hues of any number of runs lie apart
  return format("hsl({:.1f} 50% var(--lx))", std::fmod(double(run) * kGoldenAngle, 360));
}

std::string ordered_colour(double frac) {
  return format(
      "hsl(calc(268 - 205*{0:.3f}) calc(55% + 15%*{0:.3f}) calc(var(--l0) + var(--l1)*{0:.3f}))",
      frac);
}

std::string chart_html(const Chart& chart, int id) {
  std::vector<Series> drawn;
  for (const Curve& curve : chart.curves) drawn.push_back(thin(curve.points));
  const ChartAxes axes = chart_axes(chart);
  std::string html = format("<figure class=\"chart\" id=\"chart-{}\"><figcaption>{}</figcaption>",
                            id, escape_html(chart.title));
  html += legend(chart);
  html += format("<div class=\"plot\"><div class=\"ylabel\">{}</div>", escape_html(chart.y_label));
  html += ticks(axes.y, "yticks", "bottom");
  html +=
      "<div class=\"frame\" tabindex=\"0\" aria-label=\"Left and right arrow keys show values\">";
  html += chart_svg(chart, drawn, axes) + "</div>";
  html += ticks(axes.x, "xticks", "left");
  html += format("<div class=\"xlabel\">{}</div></div>", escape_html(chart.x_label));
  html += note(chart, drawn);
  return html + "<script type=\"application/json\" class=\"data\">" +
         chart_json(chart, drawn, axes) + "</script></figure>\n";
}

}  // namespace lckv::report
