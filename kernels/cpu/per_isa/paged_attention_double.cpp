#include <cmath>
#include <vector>

#include "lckv/kernels/cpu/per_isa/paged_rows.h"

LCKV_CPU_BEGIN
namespace {

double dot(const double* a, const double* b, int64_t count) {
  double sum = 0.0;
#pragma omp simd reduction(+ : sum)
  for (int64_t d = 0; d < count; ++d) sum += a[d] * b[d];
  return sum;
}

/// One query of one head.
void attend(const PagedArgs& args, int64_t n, int64_t head) {
  const int64_t width = args.q.dim(2);
  const int64_t group = args.q.dim(1) / args.k.dim(2);
  const int64_t sequence = args.keys.sequence.data<int32_t>()[n];
  const double scale = 1.0 / std::sqrt(static_cast<double>(width));
  const PagedRows<double> k(args.k, args.keys.page_table, sequence, head / group);
  const PagedRows<double> v(args.v, args.keys.page_table, sequence, head / group);
  double* const y = args.out.data<double>() + n * args.out.stride(0) + head * args.out.stride(1);
  std::fill_n(y, width, 0.0);
  std::vector<double> scores;
  std::vector<int64_t> seen;
  const auto score = [&](const ConstView& q, const KeyRange& keys) {
    const double* const x = q.data<double>() + n * q.stride(0) + head * q.stride(1);
    for (int64_t j = keys.begin; j < keys.end; ++j) {
      scores.push_back(scale * dot(x, k.at(j), width));
      seen.push_back(j);
    }
  };
  score(args.q_sinks ? args.q_sinks : args.q, sink_keys(args.keys, n));
  score(args.q, recent_keys(args.keys, n));
  if (seen.empty()) return;
  const double largest = *std::max_element(scores.begin(), scores.end());
  double sum = 0.0;
  for (double& s : scores) sum += s = std::exp(s - largest);
  for (size_t i = 0; i < seen.size(); ++i) {
    const double* const value = v.at(seen[i]);
    const double weight = scores[i] / sum;
#pragma omp simd
    for (int64_t d = 0; d < width; ++d) y[d] += weight * value[d];
  }
}

}  // namespace

void paged_attention_double(const PagedArgs& args) {
#pragma omp parallel for collapse(2) schedule(dynamic, 16)
  for (int64_t n = 0; n < args.q.dim(0); ++n) {
    for (int64_t head = 0; head < args.q.dim(1); ++head) attend(args, n, head);
  }
}

LCKV_CPU_END
