#include "lckv/eval/inference_options.h"

namespace lckv::eval {

model::ModelOptions inference_options(DType dtype, int64_t B, int64_t T, const ForwardMode& mode,
                                      const comm::Communicators* ranks) {
  model::ModelOptions options;
  options.dtype = dtype;
  options.B = B;
  options.T = T;
  options.forward_passes = static_cast<int>(mode.passes(T) - 1);
  options.backward_passes = 1;
  options.plan.training = false;
  options.ranks = ranks;
  return options;
}

}  // namespace lckv::eval
