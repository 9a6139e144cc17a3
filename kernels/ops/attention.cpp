#include "lckv/kernels/ops/attention.h"

#include "lckv/base/text.h"
#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void check_heads(const char* op, const char* argument, const ConstView& view, DType dtype,
                 const Shape& expected) {
  require_dtype(op, argument, view, dtype);
  require_shape(op, argument, view, expected);
  require_row_contiguous(op, argument, view);
}

void check_mask(const char* op, const Stream& stream, const AttentionMask& mask, int64_t batch,
                int64_t queries) {
  require_value(mask.window_tokens >= 0, op, "mask.window_tokens must be >= 0",
                static_cast<double>(mask.window_tokens));
  require_value(mask.query_offset >= 0, op, "mask.query_offset must be >= 0",
                static_cast<double>(mask.query_offset));
  if (mask.first_key) {
    require_on_device(op, stream, {{"mask.first_key", mask.first_key}});
    check_heads(op, "mask.first_key", mask.first_key, DType::kI32, {batch, queries});
  }
  if (mask.key_lengths) {
    require_on_device(op, stream, {{"mask.key_lengths", mask.key_lengths}});
    check_heads(op, "mask.key_lengths", mask.key_lengths, DType::kI32, {batch});
  }
}

/// What forward and backward share: q, k, v and the mask fit each other.
void check_inputs(const char* op, const Stream& stream, const ConstView& q, const ConstView& k,
                  const ConstView& v, const AttentionMask& mask) {
  require_on_device(op, stream, {{"q", q}, {"k", k}, {"v", v}});
  require_float(op, "q", q);
  require_rank(op, "q", q, 4);
  require_rank(op, "k", k, 4);
  require_row_contiguous(op, "q", q);
  const int64_t heads = q.dim(2);
  const int64_t kv_heads = k.dim(2);
  require_value(q.dim(3) > 0, op, "the head width must be > 0", static_cast<double>(q.dim(3)));
  if (kv_heads < 1 || heads < 1 || heads % kv_heads != 0) {
    throw ShapeError(format("{}: the heads of q = {} must be a multiple of those of k = {}", op,
                            q.describe(), k.describe()));
  }
  check_heads(op, "k", k, q.dtype(), {q.dim(0), k.dim(1), kv_heads, q.dim(3)});
  check_heads(op, "v", v, q.dtype(), k.shape());
  check_mask(op, stream, mask, q.dim(0), q.dim(1));
}

Shape statistics_shape(const ConstView& q) { return {q.dim(0), q.dim(2), q.dim(1)}; }

}  // namespace

void attention_forward(Stream& stream, View out, View lse, ConstView q, ConstView k, ConstView v,
                       const AttentionMask& mask) {
  constexpr const char* kOp = "attention_forward";
  check_inputs(kOp, stream, q, k, v, mask);
  require_on_device(kOp, stream, {{"out", out}, {"lse", lse}});
  check_heads(kOp, "out", out, q.dtype(), q.shape());
  check_heads(kOp, "lse", lse, accumulator(q.dtype()), statistics_shape(q));
  for (const NamedView& in : {NamedView{"q", q}, NamedView{"k", k}, NamedView{"v", v}}) {
    require_no_overlap(kOp, {"out", out}, in);
    require_no_overlap(kOp, {"lse", lse}, in);
  }
  if (out.numel() == 0) return;
  kernels(stream.device()).attention_forward(stream, out, lse, q, k, v, mask);
}

void attention_backward(Stream& stream, View dq, View dk, View dv, ConstView dout, ConstView out,
                        ConstView lse, ConstView q, ConstView k, ConstView v,
                        const AttentionMask& mask, GradMode mode) {
  constexpr const char* kOp = "attention_backward";
  check_inputs(kOp, stream, q, k, v, mask);
  require_on_device(kOp, stream, {{"dq", dq}, {"dout", dout}, {"out", out}, {"lse", lse}});
  check_heads(kOp, "dq", dq, q.dtype(), q.shape());
  check_heads(kOp, "dout", dout, q.dtype(), q.shape());
  check_heads(kOp, "out", out, q.dtype(), q.shape());
  check_heads(kOp, "lse", lse, accumulator(q.dtype()), statistics_shape(q));
  const NamedView inputs[] = {{"dout", dout}, {"out", out}, {"lse", lse},
                              {"q", q},       {"k", k},     {"v", v}};
  for (const NamedView& in : inputs) require_no_overlap(kOp, {"dq", dq}, in);
  if (static_cast<bool>(dk) != static_cast<bool>(dv)) {
    throw ShapeError(format("{}: dk and dv must both be given or both be empty", kOp));
  }
  if (dk) {
    require_on_device(kOp, stream, {{"dk", dk}, {"dv", dv}});
    check_heads(kOp, "dk", dk, accumulator(q.dtype()), k.shape());
    check_heads(kOp, "dv", dv, accumulator(q.dtype()), k.shape());
    require_no_overlap(kOp, {"dk", dk}, {"dq", dq});
    require_no_overlap(kOp, {"dv", dv}, {"dq", dq});
    for (const NamedView& in : inputs) {
      require_no_overlap(kOp, {"dk", dk}, in);
      require_no_overlap(kOp, {"dv", dv}, in);
    }
  }
  kernels(stream.device())
      .attention_backward(stream, dq, dk, dv, dout, out, lse, q, k, v, mask, mode);
}

}  // namespace lckv::ops
