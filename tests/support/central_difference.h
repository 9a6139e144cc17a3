#pragma once

#include <functional>
#include <vector>

#include "lckv/tensor/view.h"

namespace lckv::test {

/// (loss(x + h e_i) - loss(x - h e_i)) / 2h for every element of x (F64, contiguous), which is
/// restored.
std::vector<double> central_difference(View x, const std::function<double()>& loss);

/// Its error: h^2 |loss'''| / 6 from the formula and |loss| 2^-52 / h from the two evaluations.
double central_difference_error(double loss_magnitude, double third_derivative);

}  // namespace lckv::test
