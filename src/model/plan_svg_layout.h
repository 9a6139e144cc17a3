#pragma once

#include <vector>

#include "lckv/model/plan.h"

namespace lckv::model {

/// Where the cells and arrows of a plan's SVG picture stand, in its units (CSS pixels).

struct SvgPoint {
  double x = 0, y = 0;
};

struct SvgBox {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double middle_x() const { return x + width / 2; }
  double middle_y() const { return y + height / 2; }
};

/// A line from the K,V of a cell to a cell that reads them: straight pieces, the arrowhead at the
/// end. Lines of one source share their way as long as they can.
struct SvgArrow {
  int reader = 0, source = 0;  // cells; equal: a loop inside the cell, no points
  std::vector<SvgPoint> points;
};

struct SvgLayout {
  double left = 0, right = 0;      // of all cells
  double labels_right = 0;         // of what stands left of the cells
  double top = 0, bottom = 0;      // of all rows
  double width = 0;                // of the picture, margins included
  std::vector<SvgBox> cells;       // [cell]
  std::vector<double> row_middle;  // [layer]
  std::vector<SvgBox> columns;     // [pass]; one where nothing is iterated
  std::vector<SvgArrow> arrows;    // one for each cell that reads K,V
};

inline constexpr double kSvgMargin = 16;

/// `top` is where the rows begin, of the uppermost layer.
SvgLayout lay_out(const Plan& plan, double top);

/// Whether the layer is visited once, and so is drawn as a bar.
bool is_visited_once(const Plan& plan, int layer);

}  // namespace lckv::model
