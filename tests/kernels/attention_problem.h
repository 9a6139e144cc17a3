#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lckv/base/text.h"
#include "lckv/kernels/ops/attention.h"
#include "lckv/kernels/table.h"
#include "lckv/test_support/compare.h"
#include "lckv/test_support/random_tensor.h"

// Attention problems with an answer computed straight from the definition, in double, one (query,
// key) pair at a time.
namespace lckv::test {

/// Overwrites every element with NaN.
inline void fill_nan(const View& view) {
  with_float_type(view.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using A = AccumulatorOf<T>;
    std::fill_n(view.data<T>(), view.numel(), static_cast<T>(std::numeric_limits<A>::quiet_NaN()));
  });
}

inline Buffer nan_tensor(DType dtype, const Shape& shape) {
  Buffer buffer(dtype, shape);
  fill_nan(buffer.view());
  return buffer;
}

struct AttentionProblem {
  struct Sizes {
    int64_t B = 1, Tq = 1, Tk = 1, Hq = 1, Hkv = 1, D = 8;
  };

  AttentionProblem(const Sizes& sizes, DType type, uint64_t seed = 1)
      : size(sizes),
        dtype(type),
        q(random_tensor(type, {size.B, size.Tq, size.Hq, size.D}, seed)),
        k(random_tensor(type, {size.B, size.Tk, size.Hkv, size.D}, seed + 1)),
        v(random_tensor(type, {size.B, size.Tk, size.Hkv, size.D}, seed + 2)),
        dout(random_tensor(type, {size.B, size.Tq, size.Hq, size.D}, seed + 3)),
        out(nan_tensor(type, {size.B, size.Tq, size.Hq, size.D})),
        lse(nan_tensor(accumulator(type), {size.B, size.Hq, size.Tq})),
        dq(nan_tensor(type, {size.B, size.Tq, size.Hq, size.D})),
        dk(nan_tensor(accumulator(type), {size.B, size.Tk, size.Hkv, size.D})),
        dv(nan_tensor(accumulator(type), {size.B, size.Tk, size.Hkv, size.D})) {}

  void set_first_key(std::vector<int32_t> values) {  // [B, Tq]
    first_key_tensor = tokens_of(values);
    mask.first_key = first_key_tensor.view().reshape({size.B, size.Tq});
    first_key = std::move(values);
  }
  void set_key_lengths(std::vector<int32_t> values) {  // [B]
    key_lengths_tensor = tokens_of(values);
    mask.key_lengths = key_lengths_tensor.view();
    key_lengths = std::move(values);
  }

  void forward() const {
    Stream stream;
    kernels->attention_forward(stream, out.view(), lse.view(), q.view(), k.view(), v.view(), mask);
  }
  void backward(ops::GradMode mode = ops::GradMode::kOverwrite) const {
    Stream stream;
    kernels->attention_backward(stream, dq.view(), dk.view(), dv.view(), dout.view(), out.view(),
                                lse.view(), q.view(), k.view(), v.view(), mask, mode);
  }
  void backward_queries() const {
    Stream stream;
    kernels->attention_backward(stream, dq.view(), {}, {}, dout.view(), out.view(), lse.view(),
                                q.view(), k.view(), v.view(), mask, ops::GradMode::kOverwrite);
  }

  /// Whether query i of sequence b sees key j: the rules of ops::AttentionMask, word for word.
  bool sees(int64_t b, int64_t i, int64_t j) const {
    const int64_t p = mask.query_offset + i;
    if (mask.strict ? j > p - 1 : j > p) return false;
    if (mask.window_tokens > 0 && j < p - mask.window_tokens) return false;
    if (!first_key.empty() && j < first_key[static_cast<size_t>(b * size.Tq + i)]) return false;
    if (!key_lengths.empty() && j >= key_lengths[static_cast<size_t>(b)]) return false;
    return true;
  }

  Sizes size;
  DType dtype;
  const ops::KernelTable* kernels = &ops::cpu_kernels();
  ops::AttentionMask mask;
  Buffer q, k, v, dout;
  Buffer out, lse, dq, dk, dv;  // NaN until the op writes them
  std::vector<int32_t> first_key, key_lengths;
  Buffer first_key_tensor, key_lengths_tensor;
};

/// What the op must give, and how far rounding may move it.
struct AttentionAnswer {
  std::vector<double> out, lse, dq, dk, dv;
  double out_tolerance = 0.0, lse_tolerance = 0.0;
  double dq_tolerance = 0.0, dk_tolerance = 0.0, dv_tolerance = 0.0;
};

class AttentionReference {
 public:
  explicit AttentionReference(const AttentionProblem& problem)
      : problem_(problem),
        s_(problem.size),
        q_(values_of(problem.q.view())),
        k_(values_of(problem.k.view())),
        v_(values_of(problem.v.view())),
        dout_(values_of(problem.dout.view())),
        weight_sums_(static_cast<size_t>(s_.B * s_.Tk * s_.Hkv), 0.0) {}

  AttentionAnswer run() {
    answer_.out.assign(q_.size(), 0.0);
    answer_.dq.assign(q_.size(), 0.0);
    answer_.dk.assign(k_.size(), 0.0);
    answer_.dv.assign(k_.size(), 0.0);
    for (int64_t b = 0; b < s_.B; ++b) {
      for (int64_t h = 0; h < s_.Hq; ++h) {
        for (int64_t i = 0; i < s_.Tq; ++i) query(b, h, i);
      }
    }
    bound();
    return answer_;
  }

 private:
  size_t q_row(int64_t b, int64_t i, int64_t h) const {
    return static_cast<size_t>(((b * s_.Tq + i) * s_.Hq + h) * s_.D);
  }
  size_t k_row(int64_t b, int64_t j, int64_t h) const {
    return static_cast<size_t>(((b * s_.Tk + j) * s_.Hkv + h / (s_.Hq / s_.Hkv)) * s_.D);
  }
  double dot(const std::vector<double>& x, size_t x_at, const std::vector<double>& y, size_t y_at,
             double* size_of_terms) const {
    double sum = 0.0, size = 0.0;
    for (size_t d = 0; d < static_cast<size_t>(s_.D); ++d) {
      sum += x[x_at + d] * y[y_at + d];
      size += std::fabs(x[x_at + d] * y[y_at + d]);
    }
    *size_of_terms = std::max(*size_of_terms, size);
    return sum;
  }

  void query(int64_t b, int64_t h, int64_t i) {
    const size_t at = q_row(b, i, h);
    const double scale = 1.0 / std::sqrt(static_cast<double>(s_.D));
    std::vector<int64_t> keys;
    std::vector<double> scores;
    double largest = -std::numeric_limits<double>::infinity();
    for (int64_t j = 0; j < s_.Tk; ++j) {
      if (!problem_.sees(b, i, j)) continue;
      keys.push_back(j);
      scores.push_back(scale * dot(q_, at, k_, k_row(b, j, h), &score_size_));
      largest = std::max(largest, scores.back());
    }
    double sum = 0.0;
    for (const double s : scores) sum += std::exp(s - largest);
    answer_.lse.push_back(keys.empty() ? largest : largest + std::log(sum));
    const auto width = static_cast<size_t>(s_.D);
    for (size_t n = 0; n < keys.size(); ++n) {
      const double p = std::exp(scores[n] - answer_.lse.back());
      for (size_t d = 0; d < width; ++d) answer_.out[at + d] += p * v_[k_row(b, keys[n], h) + d];
    }
    const double delta = dot(dout_, at, answer_.out, at, &dp_size_);
    for (size_t n = 0; n < keys.size(); ++n) {
      const size_t key = k_row(b, keys[n], h);
      const double p = std::exp(scores[n] - answer_.lse.back());
      const double ds = p * (dot(dout_, at, v_, key, &dp_size_) - delta);
      weight_sums_[key / width] += p;
      for (size_t d = 0; d < width; ++d) {
        answer_.dq[at + d] += scale * ds * k_[key + d];
        answer_.dk[key + d] += scale * ds * q_[at + d];
        answer_.dv[key + d] += p * dout_[at + d];
      }
    }
  }

  static double largest(const std::vector<double>& values) {
    double result = 0.0;
    for (const double value : values) result = std::max(result, std::fabs(value));
    return result;
  }

  // Sums of n terms err by at most n eps times the sum of their sizes; a stored bf16 by half its
  // epsilon, relatively.
  void bound() {
    const double eps = 2.0 * unit_roundoff(accumulator(problem_.dtype));
    const double stored = unit_roundoff(problem_.dtype);
    const auto width = static_cast<double>(s_.D);
    const double scale = 1.0 / std::sqrt(width);
    const auto keys = static_cast<double>(s_.Tk);
    const double rows = static_cast<double>(s_.Tq * s_.Hq / s_.Hkv);
    // A score's error, the relative error of a weight before and after it is stored.
    const double score = (width + 2.0) * eps * scale * score_size_;
    const double log_sum = score + (keys + 4.0) * eps + eps * largest_lse();
    const double weight = score + log_sum + 4.0 * eps;
    const double kept_weight = weight + stored;
    const double weight_sum = largest(weight_sums_);
    answer_.lse_tolerance = log_sum;
    answer_.out_tolerance = (2.0 * score + kept_weight + (keys + 4.0) * eps) * largest(v_) +
                            stored * largest(answer_.out);
    // ds = p (dp - delta), each a sum of D terms; delta reads the stored output.
    const double difference =
        2.0 * (width + 2.0) * eps * dp_size_ +
        dp_size_ * (answer_.out_tolerance / std::max(largest(v_), 1e-30) + stored);
    const double ds = kept_weight * 2.0 * dp_size_ + difference;  // relative to the weight
    answer_.dq_tolerance = scale * largest(k_) * (ds + (keys + 4.0) * eps * 2.0 * dp_size_) +
                           stored * largest(answer_.dq);
    answer_.dk_tolerance =
        scale * largest(q_) * weight_sum * (ds + (rows + 4.0) * eps * 2.0 * dp_size_);
    answer_.dv_tolerance = largest(dout_) * weight_sum * (kept_weight + (rows + 4.0) * eps);
  }

  double largest_lse() const {
    double result = 0.0;
    for (const double value : answer_.lse) {
      if (std::isfinite(value)) result = std::max(result, std::fabs(value));
    }
    return result;
  }

  const AttentionProblem& problem_;
  const AttentionProblem::Sizes& s_;
  std::vector<double> q_, k_, v_, dout_;
  std::vector<double> weight_sums_;  // per key: the weights it gets from all queries
  double score_size_ = 0.0;          // largest sum |q k|
  double dp_size_ = 0.0;             // largest sum |dout v|
  AttentionAnswer answer_;
};

inline AttentionAnswer answer(const AttentionProblem& problem) {
  return AttentionReference(problem).run();
}

/// Fails unless |actual - expected| <= tolerance everywhere; infinities must be equal, NaN never
/// is.
inline void expect_near(const ConstView& actual, const std::vector<double>& expected,
                        double tolerance, const char* what) {
  const std::vector<double> values = values_of(actual);
  ASSERT_EQ(values.size(), expected.size()) << what;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == expected[i]) continue;
    ASSERT_LE(std::fabs(values[i] - expected[i]), tolerance)
        << what << " element " << i << ": " << values[i] << " instead of " << expected[i];
  }
}

}  // namespace lckv::test
