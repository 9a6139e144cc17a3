#include "lckv/model/gemm_list.h"

#include <algorithm>

namespace lckv::model {

namespace {

class GemmList {
 public:
  void add(GemmKind kind, int64_t rows, int64_t out, int64_t in, bool f32_result = false) {
    const auto same = std::find_if(list_.begin(), list_.end(), [&](const Gemm& g) {
      return g.kind == kind && g.rows == rows && g.out == out && g.in == in &&
             g.f32_result == f32_result;
    });
    if (same != list_.end()) {
      ++same->count;
    } else {
      list_.push_back({kind, rows, out, in, 1, f32_result});
    }
  }
  void add_backward(int64_t rows, int64_t out, int64_t in) {
    add(GemmKind::kBackwardInput, rows, out, in);
    add(GemmKind::kBackwardWeight, rows, out, in);
  }
  std::vector<Gemm> take() { return std::move(list_); }

 private:
  std::vector<Gemm> list_;
};

}  // namespace

std::vector<Gemm> list_gemms(const Plan& plan, const Dims& d, int64_t head_rows, bool training) {
  GemmList list;
  for (int c = 0; c < static_cast<int>(plan.cells.size()); ++c) {
    const Cell& cell = plan.cells[static_cast<size_t>(c)];
    if (cell.writes_kv) list.add(GemmKind::kForward, d.N(), 2 * d.Ckv_tp(), d.C);
    if (cell.runs_attention && cell.query_from == c)
      list.add(GemmKind::kForward, d.N(), d.Cq_tp(), d.C);
    if (cell.runs_attention) list.add(GemmKind::kForward, d.N(), d.C, d.Cq_tp());
    if (cell.runs_block) list.add(GemmKind::kForward, d.N(), 2 * d.F_tp(), d.C);
    if (cell.runs_block) list.add(GemmKind::kForward, d.N(), d.C, d.F_tp());
    if (!cell.keeps_grad) continue;
    if (cell.writes_kv) list.add_backward(d.N(), 2 * d.Ckv_tp(), d.C);
    if (cell.runs_attention && cell.query_grad_to == c) list.add_backward(d.N(), d.Cq_tp(), d.C);
    if (cell.runs_attention) list.add_backward(d.N(), d.C, d.Cq_tp());
    if (cell.runs_block) list.add_backward(d.N(), 2 * d.F_tp(), d.C);
    if (cell.runs_block) list.add_backward(d.N(), d.C, d.F_tp());
  }
  for (int64_t begin = 0; begin < d.N(); begin += head_rows) {
    const int64_t rows = std::min(head_rows, d.N() - begin);
    list.add(GemmKind::kForward, rows, d.V_tp(), d.C, /*f32_result=*/true);
    if (training) list.add_backward(rows, d.V_tp(), d.C);
  }
  return list.take();
}

}  // namespace lckv::model
