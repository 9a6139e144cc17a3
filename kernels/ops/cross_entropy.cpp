#include "lckv/kernels/ops/cross_entropy.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_targets(const char* op, const ConstView& targets, int64_t N) {
  require_shape(op, "targets", targets, {N});
  require_dtype(op, "targets", targets, DType::kI32);
  require_contiguous(op, "targets", targets);
}

void check_rows(const char* op, const ConstView& logits, const ConstView& targets) {
  require_rank(op, "logits", logits, 2);
  require_dtype(op, "logits", logits, {DType::kF32, DType::kF64});
  require_contiguous(op, "logits", logits);
  check_targets(op, targets, logits.dim(0));
}

void check_loss(const char* op, const ConstView& nll, const ConstView& logits,
                const ConstView& targets) {
  check_rows(op, logits, targets);
  require_shape(op, "nll", nll, {logits.dim(0)});
  require_dtype(op, "nll", nll, logits.dtype());
  require_contiguous(op, "nll", nll);
  require_no_overlap(op, {"nll", nll}, {"logits", logits});
  require_no_overlap(op, {"nll", nll}, {"targets", targets});
}

void check_gradient(const char* op, const ConstView& dlogits, const ConstView& logits,
                    const ConstView& targets) {
  require_shape(op, "dlogits", dlogits, logits.shape());
  if (logits.dtype() == DType::kF64) {
    require_dtype(op, "dlogits", dlogits, DType::kF64);
  } else {
    require_dtype(op, "dlogits", dlogits, {DType::kBF16, DType::kF32});
  }
  require_contiguous(op, "dlogits", dlogits);
  require_same_or_no_overlap(op, {"dlogits", dlogits}, {"logits", logits});
  require_no_overlap(op, {"dlogits", dlogits}, {"targets", targets});
}

// What ranks tell each other about their rows: contiguous F64.
void check_shares(const char* op, NamedView shares, const Shape& expected) {
  require_shape(op, shares.name, shares.view, expected);
  require_dtype(op, shares.name, shares.view, DType::kF64);
  require_contiguous(op, shares.name, shares.view);
}

/// Read after the first elements of the gradient have been written.
void check_scale(const char* op, const ConstView& scale, const ConstView& dlogits) {
  require_shape(op, "scale", scale, {1});
  require_dtype(op, "scale", scale, DType::kF64);
  require_no_overlap(op, {"dlogits", dlogits}, {"scale", scale});
}

void check_vocabulary(const char* op, const VocabularyPart& vocabulary, const ConstView& logits) {
  require_value(vocabulary.first_token >= 0, op, "vocabulary.first_token must be >= 0",
                static_cast<double>(vocabulary.first_token));
  require_value(vocabulary.columns >= 0 && vocabulary.columns <= logits.dim(1), op,
                "vocabulary.columns must lie in 0 .. columns of the logits",
                static_cast<double>(vocabulary.columns));
}

}  // namespace

void cross_entropy_forward(Stream& stream, View nll, ConstView logits, ConstView targets) {
  constexpr const char* kOp = "cross_entropy_forward";
  require_on_device(kOp, stream, {{"nll", nll}, {"logits", logits}, {"targets", targets}});
  check_loss(kOp, nll, logits, targets);
  kernels(stream.device()).cross_entropy_forward(stream, nll, logits, targets);
}

void cross_entropy_forward_backward(Stream& stream, View nll, View dlogits, ConstView logits,
                                    ConstView targets, ConstView scale) {
  constexpr const char* kOp = "cross_entropy_forward_backward";
  require_on_device(kOp, stream,
                    {{"nll", nll},
                     {"dlogits", dlogits},
                     {"logits", logits},
                     {"targets", targets},
                     {"scale", scale}});
  check_loss(kOp, nll, logits, targets);
  check_gradient(kOp, dlogits, logits, targets);
  check_scale(kOp, scale, dlogits);
  require_no_overlap(kOp, {"nll", nll}, {"scale", scale});
  require_no_overlap(kOp, {"dlogits", dlogits}, {"nll", nll});
  kernels(stream.device())
      .cross_entropy_forward_backward(stream, nll, dlogits, logits, targets, scale);
}

void cross_entropy_part(Stream& stream, View part, ConstView logits, ConstView targets,
                        const VocabularyPart& vocabulary) {
  constexpr const char* kOp = "cross_entropy_part";
  require_on_device(kOp, stream, {{"part", part}, {"logits", logits}, {"targets", targets}});
  check_rows(kOp, logits, targets);
  check_vocabulary(kOp, vocabulary, logits);
  check_shares(kOp, {"part", part}, {3, logits.dim(0)});
  require_no_overlap(kOp, {"part", part}, {"logits", logits});
  require_no_overlap(kOp, {"part", part}, {"targets", targets});
  kernels(stream.device()).cross_entropy_part(stream, part, logits, targets, vocabulary);
}

void cross_entropy_join(Stream& stream, View nll, View total, ConstView parts, ConstView targets) {
  constexpr const char* kOp = "cross_entropy_join";
  require_on_device(kOp, stream,
                    {{"nll", nll}, {"total", total}, {"parts", parts}, {"targets", targets}});
  require_rank(kOp, "parts", parts, 3);
  const int64_t R = parts.dim(0);
  const int64_t N = parts.dim(2);
  require_value(R >= 1, kOp, "parts must be those of at least one rank", static_cast<double>(R));
  check_shares(kOp, {"parts", parts}, {R, 3, N});
  check_shares(kOp, {"total", total}, {2, N});
  check_targets(kOp, targets, N);
  require_shape(kOp, "nll", nll, {N});
  require_dtype(kOp, "nll", nll, {DType::kF32, DType::kF64});
  require_contiguous(kOp, "nll", nll);
  require_no_overlap(kOp, {"nll", nll}, {"total", total});
  for (const NamedView& out : {NamedView{"nll", nll}, NamedView{"total", total}}) {
    require_no_overlap(kOp, out, {"parts", parts});
    require_no_overlap(kOp, out, {"targets", targets});
  }
  kernels(stream.device()).cross_entropy_join(stream, nll, total, parts, targets);
}

void cross_entropy_part_backward(Stream& stream, View dlogits, ConstView logits, ConstView total,
                                 ConstView targets, const VocabularyPart& vocabulary,
                                 ConstView scale) {
  constexpr const char* kOp = "cross_entropy_part_backward";
  require_on_device(kOp, stream,
                    {{"dlogits", dlogits},
                     {"logits", logits},
                     {"total", total},
                     {"targets", targets},
                     {"scale", scale}});
  check_rows(kOp, logits, targets);
  check_vocabulary(kOp, vocabulary, logits);
  check_gradient(kOp, dlogits, logits, targets);
  check_shares(kOp, {"total", total}, {2, logits.dim(0)});
  check_scale(kOp, scale, dlogits);
  require_no_overlap(kOp, {"dlogits", dlogits}, {"total", total});
  kernels(stream.device())
      .cross_entropy_part_backward(stream, dlogits, logits, total, targets, vocabulary, scale);
}

}  // namespace lckv::ops
