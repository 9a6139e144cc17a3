#pragma once

#include <string>

#include "lckv/model/plan.h"

namespace lckv::model {

/// The plan as an SVG picture: layers bottom to top, passes left to right, a layer that is visited
/// once as a bar. Shows what draw() shows, and an arrow from the K,V of each cell to every cell
/// that reads them (a loop where it is the cell itself).
///
/// One <svg> element without XML declaration, ids, scripts or references, for a file of its own or
/// inside an HTML page: its class names begin with "lckv-plan". Light and dark as the reader's
/// system says. Every cell is a <g class="lckv-plan-cell"> with a <title> that tells what it does,
/// every reader has one <path class="lckv-plan-read ...">.
std::string draw_svg(const Plan& plan);

}  // namespace lckv::model
