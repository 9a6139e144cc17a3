#include "lckv/kernels/ops/rmsnorm.h"

#include "lckv/kernels/ops/check.h"
#include "lckv/kernels/table.h"

namespace lckv::ops {
namespace {

// x [N, C], w [C], rstd [N], and `rows` (y or dy) of the shape and dtype of x.
void check_common(const char* op, NamedView rows, const ConstView& x, const ConstView& w,
                  const ConstView& rstd) {
  require_rank(op, "x", x, 2);
  require_float(op, "x", x);
  require_contiguous(op, "x", x);
  require_shape(op, rows.name, rows.view, x.shape());
  require_dtype(op, rows.name, rows.view, x.dtype());
  require_contiguous(op, rows.name, rows.view);
  require_shape(op, "w", w, {x.dim(1)});
  require_dtype(op, "w", w, x.dtype());
  require_contiguous(op, "w", w);
  require_shape(op, "rstd", rstd, {x.dim(0)});
  require_dtype(op, "rstd", rstd, accumulator(x.dtype()));
  require_contiguous(op, "rstd", rstd);
}

}  // namespace

void rmsnorm_forward(Stream& stream, View y, View rstd, ConstView x, ConstView w, double eps) {
  constexpr const char* kOp = "rmsnorm_forward";
  require_on_device(kOp, stream, {{"y", y}, {"rstd", rstd}, {"x", x}, {"w", w}});
  check_common(kOp, {"y", y}, x, w, rstd);
  require_value(eps > 0, kOp, "eps must be positive", eps);
  for (const NamedView out : {NamedView{"y", y}, NamedView{"rstd", rstd}}) {
    require_no_overlap(kOp, out, {"x", x});
    require_no_overlap(kOp, out, {"w", w});
  }
  require_no_overlap(kOp, {"y", y}, {"rstd", rstd});
  kernels(stream.device()).rmsnorm_forward(stream, y, rstd, x, w, eps);
}

void rmsnorm_backward(Stream& stream, View dx, View dw, ConstView dy, ConstView x, ConstView rstd,
                      ConstView w, GradMode dx_mode, GradMode dw_mode) {
  constexpr const char* kOp = "rmsnorm_backward";
  require_on_device(kOp, stream,
                    {{"dx", dx}, {"dw", dw}, {"dy", dy}, {"x", x}, {"rstd", rstd}, {"w", w}});
  check_common(kOp, {"dy", dy}, x, w, rstd);
  require_shape(kOp, "dx", dx, x.shape());
  require_dtype(kOp, "dx", dx, accumulator(x.dtype()));
  require_contiguous(kOp, "dx", dx);
  require_shape(kOp, "dw", dw, w.shape());
  require_dtype(kOp, "dw", dw, accumulator(x.dtype()));
  require_contiguous(kOp, "dw", dw);
  for (const NamedView out : {NamedView{"dx", dx}, NamedView{"dw", dw}}) {
    for (const NamedView in :
         {NamedView{"dy", dy}, NamedView{"x", x}, NamedView{"rstd", rstd}, NamedView{"w", w}}) {
      require_no_overlap(kOp, out, in);
    }
  }
  require_no_overlap(kOp, {"dx", dx}, {"dw", dw});
  kernels(stream.device()).rmsnorm_backward(stream, dx, dw, dy, x, rstd, w, dx_mode, dw_mode);
}

}  // namespace lckv::ops
