#pragma once

#include <vector>

#include "lckv/model/dims.h"
#include "lckv/model/plan.h"

namespace lckv::model {

enum class GemmKind { kForward, kBackwardInput, kBackwardWeight };

/// A linear layer's matmul: `rows` inputs of width `in` to width `out`, `count` times per
/// micro-batch.
struct Gemm {
  GemmKind kind;
  int64_t rows = 0, out = 0, in = 0;
  int64_t count = 0;
  bool f32_result = false;  // logits of bf16 models

  double flops() const { return 2.0 * double(rows) * double(out) * double(in) * double(count); }
};

/// Every matmul that a plan and the head run per micro-batch, equal ones counted together: the
/// shapes at which a machine's matmul rate is measured. `head_rows`: rows of a chunk of logits.
std::vector<Gemm> list_gemms(const Plan& plan, const Dims& dims, int64_t head_rows, bool training);

}  // namespace lckv::model
