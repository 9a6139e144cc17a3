#include "lckv/model/plan_svg_layout.h"

#include <algorithm>
#include <map>

namespace lckv::model {

namespace {

constexpr double kLabels = 84;  // columns left of the cells: layer, what it reads
constexpr double kCellWidth = 30, kCellHeight = 17, kRow = 23;
constexpr double kBetweenSegments = 10;
constexpr double kLaneWidth = 5, kHead = 9;  // a lane of a gutter; room for an arrowhead
constexpr double kOnlyColumn = 200;          // of a plan without passes
constexpr double kLeastWidth = 424;          // for title and legend

const Segment& segment_of(const Plan& plan, int layer) {
  return *std::find_if(plan.segments.begin(), plan.segments.end(),
                       [&](const Segment& s) { return layer <= s.last; });
}

int segment_index(const Plan& plan, int layer) {
  return static_cast<int>(&segment_of(plan, layer) - plan.segments.data());
}

int pass_count(const Plan& plan) {
  int passes = 1;
  for (const Cell& cell : plan.cells) passes = std::max(passes, cell.pass + 1);
  return passes;
}

/// Between the columns of two passes, gutter p left of pass p, the last one right of all cells:
/// lines run up and down in them, those of one source in one lane.
struct Lane {
  double low = 0, high = 0;  // the rows it runs through
  int index = 0;
};
using Gutter = std::map<int, Lane>;  // by source cell

class Router {
 public:
  Router(const Plan& plan, double top) : plan_(plan), passes_(pass_count(plan)) {
    place_rows(top);
    gutters_.resize(static_cast<size_t>(passes_) + 1);
    for (int c = 0; c < cell_count(); ++c) {
      if (reads_another(c)) claim(c);
    }
    for (Gutter& gutter : gutters_) assign_lanes(gutter);
    place_columns();
    place_cells();
    for (int c = 0; c < cell_count(); ++c) {
      if (reads(c)) layout_.arrows.push_back({c, cell(c).kv_from, way(c)});
    }
  }

  SvgLayout take() { return std::move(layout_); }

 private:
  int cell_count() const { return static_cast<int>(plan_.cells.size()); }
  const Cell& cell(int c) const { return plan_.cells[static_cast<size_t>(c)]; }
  const SvgBox& box(int c) const { return layout_.cells[static_cast<size_t>(c)]; }
  double row(int c) const { return layout_.row_middle[static_cast<size_t>(cell(c).layer)]; }
  bool is_bar(int c) const { return is_visited_once(plan_, cell(c).layer); }
  bool reads(int c) const { return cell(c).runs_attention && cell(c).kv_from != kZeroKv; }
  /// Whether the cell reads K,V that are not its own.
  bool reads_another(int c) const { return reads(c) && cell(c).kv_from != c; }

  /// The gutter in which a reader's line comes to its row.
  int gutter_of(int reader) const { return is_bar(reader) ? passes_ : cell(reader).pass; }
  /// Whether a line comes from a lower cycle's last pass to a cycle above it: over the right gutter
  /// and between the two.
  bool goes_around(int reader) const {
    const int source = cell(reader).kv_from;
    return !is_bar(reader) && !is_bar(source) &&
           segment_index(plan_, cell(reader).layer) != segment_index(plan_, cell(source).layer);
  }
  /// Between a segment and the one above it.
  double channel_over(int c) const {
    const int last = segment_of(plan_, cell(c).layer).last;
    return layout_.row_middle[static_cast<size_t>(last)] - kRow / 2 - kBetweenSegments / 2;
  }

  void extend(int gutter, int source, double a, double b) {
    auto [at, is_new] = gutters_[static_cast<size_t>(gutter)].try_emplace(source);
    Lane& lane = at->second;
    lane.low = std::min(is_new ? a : lane.low, std::min(a, b));
    lane.high = std::max(is_new ? a : lane.high, std::max(a, b));
  }
  void claim(int reader) {
    const int source = cell(reader).kv_from;
    const double from = goes_around(reader) ? channel_over(source) : row(source);
    if (goes_around(reader)) extend(passes_, source, row(source), from);
    extend(gutter_of(reader), source, from, row(reader));
  }

  /// Lines that run through the same rows stand side by side.
  void assign_lanes(Gutter& gutter) {
    std::vector<Lane*> placed;
    for (auto& [source, lane] : gutter) {
      const auto collides = [&](const Lane* other) {
        return other->index == lane.index && other->low < lane.high + kRow &&
               lane.low < other->high + kRow;
      };
      while (std::any_of(placed.begin(), placed.end(), collides)) ++lane.index;
      placed.push_back(&lane);
    }
  }
  double gutter_width(size_t g) const {
    int lanes = 0;
    for (const auto& [source, lane] : gutters_[g]) lanes = std::max(lanes, lane.index + 1);
    const double empty = g == 0 ? 0 : 4;
    return lanes == 0 ? empty : kLaneWidth * lanes + kHead;
  }

  void place_rows(double top) {
    layout_.top = top;
    layout_.row_middle.resize(plan_.layers.size());
    double y = top;
    for (size_t i = plan_.layers.size(); i-- > 0;) {
      layout_.row_middle[i] = y + kRow / 2;
      y += kRow;
      if (i > 0 && segment_of(plan_, static_cast<int>(i)).first == static_cast<int>(i)) {
        y += kBetweenSegments;
      }
    }
    layout_.bottom = y;
  }
  void place_columns() {
    double x = kSvgMargin + kLabels;
    for (size_t pass = 0; pass < static_cast<size_t>(passes_); ++pass) {
      x += gutter_width(pass);
      const double width = passes_ == 1 ? kOnlyColumn : kCellWidth;
      layout_.columns.push_back({x, layout_.top, width, layout_.bottom - layout_.top});
      x += width;
    }
    layout_.labels_right = kSvgMargin + kLabels - 10;
    layout_.left = kSvgMargin + kLabels;  // bars reach under the lines to the first pass
    layout_.right = x;
    layout_.width = std::max(
        kLeastWidth, x + gutter_width(static_cast<size_t>(passes_)) + kLaneWidth + kSvgMargin);
  }
  void place_cells() {
    for (int c = 0; c < cell_count(); ++c) {
      SvgBox box = layout_.columns[static_cast<size_t>(cell(c).pass)];
      if (is_bar(c)) box = {layout_.left, 0, layout_.right - layout_.left, 0};
      box.y = row(c) - kCellHeight / 2;
      box.height = kCellHeight;
      layout_.cells.push_back(box);
    }
  }

  double lane_x(int gutter, int source) const {
    const auto g = static_cast<size_t>(gutter);
    const Lane& lane = gutters_[g].at(source);
    if (gutter == passes_) return layout_.right + kHead + kLaneWidth * lane.index;
    const double start = layout_.columns[g].x - gutter_width(g);
    return start + kLaneWidth * (lane.index + 0.6);
  }

  std::vector<SvgPoint> way(int reader) const {
    if (!reads_another(reader)) return {};
    const int source = cell(reader).kv_from, gutter = gutter_of(reader);
    const double x = lane_x(gutter, source);
    std::vector<SvgPoint> points = way_to_lane(reader, source, x);
    points.push_back({x, row(reader)});
    points.push_back({gutter == passes_ ? box(reader).right() : box(reader).x, row(reader)});
    return points;
  }
  std::vector<SvgPoint> way_to_lane(int reader, int source, double x) const {
    if (goes_around(reader)) {
      const double outer = lane_x(passes_, source), channel = channel_over(source);
      return {
          {box(source).right(), row(source)}, {outer, row(source)}, {outer, channel}, {x, channel}};
    }
    if (is_bar(source) && !is_bar(reader)) return {{x, box(source).y}};
    const bool same_pass = !is_bar(reader) && cell(source).pass == cell(reader).pass;
    return {{same_pass ? box(source).x : box(source).right(), row(source)}, {x, row(source)}};
  }

  const Plan& plan_;
  int passes_;
  std::vector<Gutter> gutters_;  // [passes + 1]
  SvgLayout layout_;
};

}  // namespace

bool is_visited_once(const Plan& plan, int layer) { return !segment_of(plan, layer).iterated; }

SvgLayout lay_out(const Plan& plan, double top) { return Router(plan, top).take(); }

}  // namespace lckv::model
