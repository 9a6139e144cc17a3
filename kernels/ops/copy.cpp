#include "lckv/kernels/ops/copy.h"

#include "lckv/base/text.h"
#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

void require_rows_or_contiguous(const char* op, const char* argument, const ConstView& view) {
  if (view.rank() == 2) {
    require_row_contiguous(op, argument, view);
  } else {
    require_contiguous(op, argument, view);
  }
}

}  // namespace

void copy(Stream& stream, View to, ConstView from) {
  constexpr const char* kOp = "copy";
  require_on_device(kOp, stream, {{"to", to}, {"from", from}});
  require_float(kOp, "to", to);
  require_float(kOp, "from", from);
  require_shape(kOp, "from", from, to.shape());
  require_rows_or_contiguous(kOp, "to", to);
  require_rows_or_contiguous(kOp, "from", from);
  require_same_or_no_overlap(kOp, {"to", to}, {"from", from});
  kernels(stream.device()).copy(stream, to, from);
}

void fill_zero(Stream& stream, View x) {
  constexpr const char* kOp = "fill_zero";
  require_on_device(kOp, stream, {{"x", x}});
  require_contiguous(kOp, "x", x);
  kernels(stream.device()).fill_zero(stream, x);
}

void add(Stream& stream, View to, ConstView from) {
  constexpr const char* kOp = "add";
  require_on_device(kOp, stream, {{"to", to}, {"from", from}});
  require_float(kOp, "to", to);
  require_float(kOp, "from", from);
  require_shape(kOp, "from", from, to.shape());
  require_contiguous(kOp, "to", to);
  require_contiguous(kOp, "from", from);
  if (size_bytes(from.dtype()) > size_bytes(to.dtype())) {
    throw DTypeError(format("{}: from = {} must not be wider than to = {}", kOp, from.describe(),
                            to.describe()));
  }
  require_same_or_no_overlap(kOp, {"to", to}, {"from", from});
  kernels(stream.device()).add(stream, to, from);
}

void copy_numbered_rows(Stream& stream, View to, ConstView to_row, ConstView from,
                        ConstView from_row) {
  constexpr const char* kOp = "copy_numbered_rows";
  require_on_device(kOp, stream,
                    {{"to", to}, {"to_row", to_row}, {"from", from}, {"from_row", from_row}});
  require_float(kOp, "to", to);
  require_rank(kOp, "to", to, 2);
  require_row_contiguous(kOp, "to", to);
  require_dtype(kOp, "from", from, to.dtype());
  require_rank(kOp, "from", from, 2);
  require_shape(kOp, "from", from, {from.dim(0), to.dim(1)});
  require_row_contiguous(kOp, "from", from);
  require_rank(kOp, "to_row", to_row, 1);
  require_shape(kOp, "from_row", from_row, to_row.shape());
  for (const NamedView& row : {NamedView{"to_row", to_row}, NamedView{"from_row", from_row}}) {
    require_dtype(kOp, row.name, row.view, DType::kI32);
    require_contiguous(kOp, row.name, row.view);
    require_no_overlap(kOp, {"to", to}, row);
  }
  require_no_overlap(kOp, {"to", to}, {"from", from});
  if (to_row.numel() == 0 || to.dim(1) == 0) return;
  kernels(stream.device()).copy_numbered_rows(stream, to, to_row, from, from_row);
}

}  // namespace lckv::ops
