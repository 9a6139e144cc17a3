#pragma once

#include <span>

#include "lckv/tensor/view.h"

namespace lckv::test {

/// The largest relative error of one rounding to `dtype`: 2^-8 for BF16, 2^-24 for F32, 2^-53 for
/// F64.
double unit_roundoff(DType dtype);

/// |actual[i] - expected[i]| <= tolerance[i] for every element; a NaN never passes. The failure
/// names the worst element.
void expect_close(const ConstView& actual, std::span<const double> expected,
                  std::span<const double> tolerance);

/// The same dtype, shape and bits; contiguous views.
bool bit_equal(const ConstView& a, const ConstView& b);

}  // namespace lckv::test
