#include "lckv/kernels/ops/cross_entropy.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_loss(const char* op, const ConstView& nll, const ConstView& logits,
                const ConstView& targets) {
  require_rank(op, "logits", logits, 2);
  require_dtype(op, "logits", logits, {DType::kF32, DType::kF64});
  require_contiguous(op, "logits", logits);
  require_shape(op, "nll", nll, {logits.dim(0)});
  require_dtype(op, "nll", nll, logits.dtype());
  require_contiguous(op, "nll", nll);
  require_shape(op, "targets", targets, {logits.dim(0)});
  require_dtype(op, "targets", targets, DType::kI32);
  require_contiguous(op, "targets", targets);
  require_no_overlap(op, {"nll", nll}, {"logits", logits});
  require_no_overlap(op, {"nll", nll}, {"targets", targets});
}

}  // namespace

void cross_entropy_forward(Stream& stream, View nll, ConstView logits, ConstView targets) {
  constexpr const char* kOp = "cross_entropy_forward";
  require_on_device(kOp, stream, {{"nll", nll}, {"logits", logits}, {"targets", targets}});
  check_loss(kOp, nll, logits, targets);
  kernels(stream.device()).cross_entropy_forward(stream, nll, logits, targets);
}

void cross_entropy_forward_backward(Stream& stream, View nll, View dlogits, ConstView logits,
                                    ConstView targets, double scale) {
  constexpr const char* kOp = "cross_entropy_forward_backward";
  require_on_device(kOp, stream,
                    {{"nll", nll}, {"dlogits", dlogits}, {"logits", logits}, {"targets", targets}});
  check_loss(kOp, nll, logits, targets);
  require_shape(kOp, "dlogits", dlogits, logits.shape());
  if (logits.dtype() == DType::kF64) {
    require_dtype(kOp, "dlogits", dlogits, DType::kF64);
  } else {
    require_dtype(kOp, "dlogits", dlogits, {DType::kBF16, DType::kF32});
  }
  require_contiguous(kOp, "dlogits", dlogits);
  require_same_or_no_overlap(kOp, {"dlogits", dlogits}, {"logits", logits});
  require_no_overlap(kOp, {"dlogits", dlogits}, {"nll", nll});
  require_no_overlap(kOp, {"dlogits", dlogits}, {"targets", targets});
  kernels(stream.device())
      .cross_entropy_forward_backward(stream, nll, dlogits, logits, targets, scale);
}

}  // namespace lckv::ops
