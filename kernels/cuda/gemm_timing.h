#pragma once

#include <optional>
#include <vector>

#include "lckv/kernels/cuda/gemm_plan.h"

namespace lckv::ops::cuda {

/// The algorithm that runs the product fastest on these operands; none of none. Where C is added to
/// the product it is left as it is (a copy takes its place); else it is written. Waits for the
/// stream, and for about a hundred products.
std::optional<GemmAlgorithm> fastest_of(const GemmPlan& plan,
                                        const std::vector<GemmAlgorithm>& algorithms,
                                        Stream& stream, const GemmKey& key, GemmOperands at);

}  // namespace lckv::ops::cuda
