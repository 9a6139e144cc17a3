#include "lckv/kernels/cuda/gemm.h"
#include "lckv/kernels/cuda/kernels.h"

namespace lckv::ops::cuda {

namespace {

/// A view as it stands in a product.
struct Operand {
  const ConstView& view;
  bool transposed;
};

// The distance between the rows of a one-row view means nothing, and cuBLASLt asks for one that is
// no shorter than a row.
int64_t row_stride(const ConstView& view) {
  return view.dim(0) == 1 ? view.dim(1) : view.stride(0);
}

/// C = A B, + C or the residual.
void multiply(Stream& stream, View c, Operand a, Operand b, GemmAdded added,
              const ConstView& residual = {}) {
  const bool is_residual = added == GemmAdded::kResidual;
  const GemmKey key{.in = a.view.dtype(),
                    .out = c.dtype(),
                    .added = added,
                    .a_transposed = a.transposed,
                    .b_transposed = b.transposed,
                    .rows = c.dim(0),
                    .cols = c.dim(1),
                    .sums = a.view.dim(a.transposed ? 0 : 1),
                    .a_stride = row_stride(a.view),
                    .b_stride = row_stride(b.view),
                    .c_stride = row_stride(c),
                    .added_stride = row_stride(is_residual ? residual : c)};
  const void* const beside = added == GemmAdded::kNothing ? nullptr : c.raw();
  gemm(stream, key,
       {.c = c.raw(),
        .a = a.view.raw(),
        .b = b.view.raw(),
        .added = is_residual ? residual.raw() : beside});
}

GemmAdded added_by(GradMode mode) {
  return mode == GradMode::kAccumulate ? GemmAdded::kOutput : GemmAdded::kNothing;
}

}  // namespace

void matmul_forward(Stream& stream, View y, ConstView x, ConstView w) {
  multiply(stream, y, {x, false}, {w, true}, GemmAdded::kNothing);
}

void matmul_add_forward(Stream& stream, View y, ConstView x, ConstView w, ConstView residual) {
  multiply(stream, y, {x, false}, {w, true}, GemmAdded::kResidual, residual);
}

void matmul_backward_input(Stream& stream, View dx, ConstView dy, ConstView w, GradMode mode) {
  multiply(stream, dx, {dy, false}, {w, false}, added_by(mode));
}

void matmul_backward_weight(Stream& stream, View dw, ConstView dy, ConstView x, GradMode mode) {
  multiply(stream, dw, {dy, true}, {x, false}, added_by(mode));
}

}  // namespace lckv::ops::cuda
