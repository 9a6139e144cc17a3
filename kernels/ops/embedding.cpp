#include "lckv/kernels/ops/embedding.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_rows(const char* op, NamedView table, NamedView rows, const ConstView& tokens,
                int64_t first_token) {
  require_rank(op, table.name, table.view, 2);
  require_contiguous(op, table.name, table.view);
  require_rank(op, "tokens", tokens, 1);
  require_dtype(op, "tokens", tokens, DType::kI32);
  require_contiguous(op, "tokens", tokens);
  require_shape(op, rows.name, rows.view, {tokens.dim(0), table.view.dim(1)});
  require_contiguous(op, rows.name, rows.view);
  require_value(first_token >= 0, op, "first_token must be >= 0", static_cast<double>(first_token));
}

}  // namespace

void embedding_forward(Stream& stream, View y, ConstView w, ConstView tokens, int64_t first_token) {
  constexpr const char* kOp = "embedding_forward";
  require_on_device(kOp, stream, {{"y", y}, {"w", w}, {"tokens", tokens}});
  check_rows(kOp, {"w", w}, {"y", y}, tokens, first_token);
  require_float(kOp, "y", y);
  require_dtype(kOp, "w", w, y.dtype());
  require_no_overlap(kOp, {"y", y}, {"w", w});
  require_no_overlap(kOp, {"y", y}, {"tokens", tokens});
  kernels(stream.device()).embedding_forward(stream, y, w, tokens, first_token);
}

void embedding_backward(Stream& stream, View dw, ConstView dy, ConstView tokens, GradMode mode,
                        int64_t first_token) {
  constexpr const char* kOp = "embedding_backward";
  require_on_device(kOp, stream, {{"dw", dw}, {"dy", dy}, {"tokens", tokens}});
  check_rows(kOp, {"dw", dw}, {"dy", dy}, tokens, first_token);
  require_dtype(kOp, "dy", dy, {DType::kF32, DType::kF64});
  require_dtype(kOp, "dw", dw, dy.dtype());
  require_no_overlap(kOp, {"dw", dw}, {"dy", dy});
  require_no_overlap(kOp, {"dw", dw}, {"tokens", tokens});
  kernels(stream.device()).embedding_backward(stream, dw, dy, tokens, mode, first_token);
}

}  // namespace lckv::ops
