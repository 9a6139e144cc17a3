#include "lckv/base/text.h"
#include "lckv/report/chart.h"
#include "lckv/report/html.h"

namespace lckv::report {

namespace {

std::string numbers(const std::vector<double>& values) {
  std::string json = "[";
  for (const double value : values) {
    if (json.size() > 1) json += ',';
    json += json_number(value);
  }
  return json + "]";
}

std::string axis_json(const Axis& axis, const std::string& label) {
  return format("{{\"label\":{},\"min\":{},\"max\":{},\"log\":{}}}", json_string(label),
                json_number(axis.min), json_number(axis.max), axis.kind == ScaleKind::kLog);
}

}  // namespace

std::string chart_json(const Chart& chart, const std::vector<Series>& drawn,
                       const ChartAxes& axes) {
  std::string json = format("{{\"x\":{},\"y\":{},\"curves\":[", axis_json(axes.x, chart.x_label),
                            axis_json(axes.y, chart.y_label));
  for (size_t i = 0; i < chart.curves.size(); ++i) {
    const Curve& curve = chart.curves[i];
    json += format("{}\n{{\"group\":{},\"kind\":{},\"color\":{},\"all\":{},\"x\":{},\"y\":{}}}",
                   i > 0 ? "," : "", json_string(curve.group), json_string(curve.kind),
                   json_string(curve.colour), curve.points.size(), numbers(drawn[i].x),
                   numbers(drawn[i].y));
  }
  return json + "]}";
}

}  // namespace lckv::report
