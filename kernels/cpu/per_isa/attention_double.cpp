#include "lckv/kernels/cpu/per_isa/attention_double.h"

#include <cmath>
#include <limits>
#include <vector>

#include "lckv/kernels/cpu/per_isa/attention_heads.h"
#include "lckv/kernels/cpu/per_isa/attention_mask.h"

LCKV_CPU_BEGIN
namespace {

double dot(const double* a, const double* b, int64_t count) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t d = 0; d < count; ++d) sum += a[d] * b[d];
  return sum;
}

/// y += factor * x
void add_scaled(double* y, double factor, const double* x, int64_t count) {
#pragma omp simd
  for (int64_t d = 0; d < count; ++d) y[d] += factor * x[d];
}

/// scores[j] becomes exp(scores[j] - lse); returns lse.
double softmax(std::vector<double>& scores) {
  double largest = -std::numeric_limits<double>::infinity();
  for (const double s : scores) largest = std::max(largest, s);
  double sum = 0.0;
  for (double& s : scores) sum += s = std::exp(s - largest);
  for (double& s : scores) s /= sum;
  return largest + std::log(sum);
}

}  // namespace

void attention_forward_double(View out, View lse, const ConstView& q, const ConstView& k,
                              const ConstView& v, const AttentionMask& mask) {
  const int64_t width = q.dim(3);
  const int64_t group = q.dim(2) / k.dim(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  const auto out_rows = head_rows<double>(out);
  const auto lse_of = head_statistics<double>(lse);
  const auto q_rows = head_rows<double>(q), k_rows = head_rows<double>(k),
             v_rows = head_rows<double>(v);
#pragma omp parallel for collapse(3) schedule(dynamic, 16)
  for (int64_t b = 0; b < q.dim(0); ++b) {
    for (int64_t h = 0; h < q.dim(2); ++h) {
      for (int64_t i = 0; i < q.dim(1); ++i) {
        const KeyRange keys = visible_keys(mask, b, i, k.dim(1));
        double* y = out_rows.row(b, i, h);
        std::fill_n(y, width, 0.0);
        lse_of.at(b, h, i) = -std::numeric_limits<double>::infinity();
        if (keys.empty()) continue;
        std::vector<double> p(static_cast<size_t>(keys.end - keys.begin));
        for (int64_t j = keys.begin; j < keys.end; ++j) {
          p[static_cast<size_t>(j - keys.begin)] =
              scale * dot(q_rows.row(b, i, h), k_rows.row(b, j, h / group), width);
        }
        lse_of.at(b, h, i) = softmax(p);
        for (int64_t j = keys.begin; j < keys.end; ++j) {
          add_scaled(y, p[static_cast<size_t>(j - keys.begin)], v_rows.row(b, j, h / group), width);
        }
      }
    }
  }
}

void attention_backward_double(View dq, View dk, View dv, const ConstView& dout,
                               const ConstView& out, const ConstView& lse, const ConstView& q,
                               const ConstView& k, const ConstView& v, const AttentionMask& mask,
                               GradMode mode) {
  const int64_t width = q.dim(3);
  const int64_t group = q.dim(2) / k.dim(2);
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  const bool keys_have_grad = static_cast<bool>(dk);
  const auto dq_rows = head_rows<double>(dq);
  const auto dk_rows = keys_have_grad ? head_rows<double>(dk) : HeadRows<double>{};
  const auto dv_rows = keys_have_grad ? head_rows<double>(dv) : HeadRows<double>{};
  const auto dout_rows = head_rows<double>(dout), out_rows = head_rows<double>(out);
  const auto q_rows = head_rows<double>(q), k_rows = head_rows<double>(k),
             v_rows = head_rows<double>(v);
  const auto lse_of = head_statistics<double>(lse);
#pragma omp parallel for collapse(2) schedule(dynamic, 1)
  for (int64_t b = 0; b < q.dim(0); ++b) {
    for (int64_t kv_head = 0; kv_head < k.dim(2); ++kv_head) {
      for (int64_t j = 0; keys_have_grad && mode == GradMode::kOverwrite && j < k.dim(1); ++j) {
        std::fill_n(dk_rows.row(b, j, kv_head), width, 0.0);
        std::fill_n(dv_rows.row(b, j, kv_head), width, 0.0);
      }
      for (int64_t h = kv_head * group; h < (kv_head + 1) * group; ++h) {
        for (int64_t i = 0; i < q.dim(1); ++i) {
          const double* dy = dout_rows.row(b, i, h);
          const double delta = dot(dy, out_rows.row(b, i, h), width);
          std::fill_n(dq_rows.row(b, i, h), width, 0.0);
          const KeyRange keys = visible_keys(mask, b, i, k.dim(1));
          for (int64_t j = keys.begin; j < keys.end; ++j) {
            // s = scale q.k    p = exp(s - lse)    out = sum_j p v
            const double s = scale * dot(q_rows.row(b, i, h), k_rows.row(b, j, kv_head), width);
            const double p = std::exp(s - lse_of.at(b, h, i));
            const double ds = p * (dot(dy, v_rows.row(b, j, kv_head), width) - delta);
            add_scaled(dq_rows.row(b, i, h), ds * scale, k_rows.row(b, j, kv_head), width);
            if (!keys_have_grad) continue;
            add_scaled(dk_rows.row(b, j, kv_head), ds * scale, q_rows.row(b, i, h), width);
            add_scaled(dv_rows.row(b, j, kv_head), p, dy, width);
          }
        }
      }
    }
  }
}

LCKV_CPU_END
