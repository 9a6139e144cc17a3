#include "lckv/model/cell.h"

#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/matmul.h"

namespace lckv::model {

void add_projected(const CellContext& c, View out, ConstView x, ConstView w, ConstView residual,
                   const char* label) {
  if (c.tp.sequence_parallel()) {
    ops::matmul_forward(c.stream, c.partial, x, w);
    c.tp.sum_partials(c.stream, c.partial, label);
    ops::copy(c.stream, out, residual);
    ops::add(c.stream, out, c.tp.own_rows(c.partial));
    return;
  }
  if (c.tp.adds_residual()) {
    ops::matmul_add_forward(c.stream, out, x, w, residual);
  } else {
    ops::matmul_forward(c.stream, out, x, w);
  }
  c.tp.sum_partials(c.stream, out, label);
}

ConstView whole_output_grad(const CellContext& c, const CellGradBuffers& g, const char* label) {
  if (!g.dh_cast) return g.dh;
  ops::copy(c.stream, c.tp.own_rows(g.dh_cast), g.dh);
  c.tp.gather_rows(c.stream, g.dh_cast, label);
  return g.dh_cast;
}

}  // namespace lckv::model
