#include "lckv/kernels/ops/paged_attention.h"

#include "lckv/base/text.h"
#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

constexpr const char* kOp = "paged_attention_forward";

void check_numbers(const Stream& stream, const char* argument, const ConstView& numbers,
                   const Shape& expected) {
  require_on_device(kOp, stream, {{argument, numbers}});
  require_dtype(kOp, argument, numbers, DType::kI32);
  require_shape(kOp, argument, numbers, expected);
  require_contiguous(kOp, argument, numbers);
}

void check_keys(const Stream& stream, const PagedKeys& keys, int64_t queries) {
  require_on_device(kOp, stream, {{"keys.page_table", keys.page_table}});
  require_rank(kOp, "keys.page_table", keys.page_table, 2);
  check_numbers(stream, "keys.page_table", keys.page_table, keys.page_table.shape());
  check_numbers(stream, "keys.sequence", keys.sequence, {queries});
  check_numbers(stream, "keys.begin", keys.begin, {queries});
  check_numbers(stream, "keys.end", keys.end, {queries});
  if (keys.sink_end) check_numbers(stream, "keys.sink_end", keys.sink_end, {queries});
}

void check_heads(const char* argument, const ConstView& view, DType dtype, const Shape& expected) {
  require_dtype(kOp, argument, view, dtype);
  require_shape(kOp, argument, view, expected);
  require_row_contiguous(kOp, argument, view);
}

}  // namespace

void paged_attention_forward(Stream& stream, View out, ConstView q, ConstView q_sinks, ConstView k,
                             ConstView v, const PagedKeys& keys) {
  require_on_device(kOp, stream, {{"out", out}, {"q", q}, {"k", k}, {"v", v}});
  require_float(kOp, "q", q);
  require_rank(kOp, "q", q, 3);
  require_rank(kOp, "k", k, 4);
  require_row_contiguous(kOp, "q", q);
  const int64_t heads = q.dim(1), kv_heads = k.dim(2), width = q.dim(2);
  require_value(width > 0, kOp, "the head width must be > 0", static_cast<double>(width));
  require_value(k.dim(1) > 0, kOp, "a page must have tokens", static_cast<double>(k.dim(1)));
  if (kv_heads < 1 || heads < 1 || heads % kv_heads != 0) {
    throw ShapeError(format("{}: the heads of q = {} must be a multiple of those of k = {}", kOp,
                            q.describe(), k.describe()));
  }
  check_heads("k", k, q.dtype(), {k.dim(0), k.dim(1), kv_heads, width});
  check_heads("v", v, q.dtype(), k.shape());
  check_heads("out", out, q.dtype(), q.shape());
  if (q_sinks) {
    require_on_device(kOp, stream, {{"q_sinks", q_sinks}});
    check_heads("q_sinks", q_sinks, q.dtype(), q.shape());
    require_no_overlap(kOp, {"out", out}, {"q_sinks", q_sinks});
  }
  check_keys(stream, keys, q.dim(0));
  for (const NamedView& in : {NamedView{"q", q}, NamedView{"k", k}, NamedView{"v", v}}) {
    require_no_overlap(kOp, {"out", out}, in);
  }
  if (out.numel() == 0) return;
  kernels(stream.device()).paged_attention_forward(stream, out, q, q_sinks, k, v, keys);
}

}  // namespace lckv::ops
