#pragma once

#include "lckv/eval/forward_mode.h"
#include "lckv/model/model.h"

namespace lckv::eval {

/// Of a network that keeps no gradients and runs the passes of `mode` over [B, T] tokens.
model::ModelOptions inference_options(DType dtype, int64_t B, int64_t T, const ForwardMode& mode);

}  // namespace lckv::eval
