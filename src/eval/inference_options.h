#pragma once

#include "lckv/eval/forward_mode.h"
#include "lckv/model/model.h"

namespace lckv::eval {

/// Of a network that keeps no gradients and runs the passes of `mode` over [B, T] tokens; `ranks`
/// are the grid's and outlive it.
model::ModelOptions inference_options(DType dtype, int64_t B, int64_t T, const ForwardMode& mode,
                                      const comm::Communicators* ranks = &comm::single_process());

}  // namespace lckv::eval
