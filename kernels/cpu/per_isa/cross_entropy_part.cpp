#include "lckv/kernels/cpu/per_isa/cross_entropy_row.h"
#include "lckv/kernels/cpu/per_isa/parallel.h"

LCKV_CPU_BEGIN
namespace {

int64_t column_of(const VocabularyPart& vocabulary, int32_t target) {
  const int64_t column = target - vocabulary.first_token;
  const bool here = target != kIgnoreTarget && column >= 0 && column < vocabulary.columns;
  return here ? column : kNoColumn;
}

template <class T>
double max_of(const Normalizer<T>& total) {
  // The largest logit adds 1 to the sum: at 0 there was none above -inf.
  return total.sum == 0 ? -std::numeric_limits<double>::infinity()
                        : static_cast<double>(total.shift);
}

// Row n of the parts of R ranks: [R, 3, N].
struct RowOfParts {
  const double* parts;
  int64_t R, N, n;

  double at(int64_t r, int64_t which) const { return parts[(r * 3 + which) * N + n]; }

  // No logit above -inf anywhere: -inf - -inf, a NaN, goes into the sum.
  Normalizer<double> normalizer() const {
    Normalizer<double> total{-std::numeric_limits<double>::infinity(), 0};
    for (int64_t r = 0; r < R; ++r) total.shift = std::max(total.shift, at(r, 0));
    for (int64_t r = 0; r < R; ++r) total.sum += at(r, 1) * std::exp(at(r, 0) - total.shift);
    return total;
  }
  double target_logit() const {
    double sum = 0;
    for (int64_t r = 0; r < R; ++r) sum += at(r, 2);
    return sum;
  }
};

}  // namespace

void cross_entropy_part(Stream&, View part, ConstView logits, ConstView targets,
                        const VocabularyPart& vocabulary) {
  const int64_t N = logits.dim(0);
  const int64_t V_tp = logits.dim(1);
  double* const max = part.data<double>();
  double* const sum = max + N;
  double* const target_logit = sum + N;
  const int32_t* const target_of = targets.data<int32_t>();
  with_float_type(logits.dtype(), [&](auto tag) {
    using T = AccumulatorOf<typename decltype(tag)::type>;
    const T* const logits_data = logits.data<T>();
    parallel_ranges(N, logits.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const T* row = logits_data + n * V_tp;
        const Normalizer<T> total = normalizer(row, vocabulary.columns);
        const int64_t column = column_of(vocabulary, target_of[n]);
        max[n] = max_of(total);
        sum[n] = total.sum;
        target_logit[n] = column == kNoColumn ? 0 : static_cast<double>(row[column]);
      }
    });
  });
}

void cross_entropy_join(Stream&, View nll, View total, ConstView parts, ConstView targets) {
  const int64_t R = parts.dim(0);
  const int64_t N = parts.dim(2);
  double* const max = total.data<double>();
  double* const sum = max + N;
  const double* const parts_data = parts.data<double>();
  const int32_t* const target_of = targets.data<int32_t>();
  with_float_type(nll.dtype(), [&](auto tag) {
    using T = AccumulatorOf<typename decltype(tag)::type>;
    T* const nll_data = nll.data<T>();
    parallel_ranges(N, parts.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        const RowOfParts row{parts_data, R, N, n};
        const Normalizer<double> joined = row.normalizer();
        max[n] = joined.shift;
        sum[n] = joined.sum;
        const bool scored = target_of[n] != kIgnoreTarget;
        nll_data[n] = scored ? static_cast<T>(nll_of(joined, row.target_logit())) : T{0};
      }
    });
  });
}

void cross_entropy_part_backward(Stream&, View dlogits, ConstView logits, ConstView total,
                                 ConstView targets, const VocabularyPart& vocabulary,
                                 ConstView scale) {
  const int64_t N = logits.dim(0);
  const int64_t V_tp = logits.dim(1);
  const double* const max = total.data<double>();
  const double* const sum = max + N;
  const double factor = scale.data<double>()[0];
  const int32_t* const target_of = targets.data<int32_t>();
  with_float_type(dlogits.dtype(), [&](auto tag) {
    using D = typename decltype(tag)::type;
    using T = AccumulatorOf<D>;
    D* const dlogits_data = dlogits.data<D>();
    const T* const logits_data = logits.data<T>();
    parallel_ranges(N, logits.numel(), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        D* const row = dlogits_data + n * V_tp;
        const int64_t columns = target_of[n] == kIgnoreTarget ? 0 : vocabulary.columns;
        // The maximum is one of the logits: exact in T.
        gradient_row(row, logits_data + n * V_tp, Normalizer<T>{static_cast<T>(max[n]), sum[n]},
                     column_of(vocabulary, target_of[n]), factor, columns);
        std::fill(row + columns, row + V_tp, D{});
      }
    });
  });
}

LCKV_CPU_END
