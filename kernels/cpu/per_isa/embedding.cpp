#include <cstring>

#include "lckv/kernels/cpu/per_isa/parallel.h"
#include "lckv/kernels/cpu/per_isa/vector_math.h"

LCKV_CPU_BEGIN
namespace {

// The tokens whose rows a table has.
struct Rows {
  int64_t first_token, count;

  int64_t of(int32_t token) const { return token - first_token; }
  bool have(int32_t token) const { return of(token) >= 0 && of(token) < count; }
};

// Columns begin..end of dw. A column belongs to one thread, which takes the tokens in their order.
template <class A>
void add_columns(A* dw, const A* dy, const int32_t* tokens, Rows rows, int64_t N, int64_t C,
                 int64_t begin, int64_t end) {
  for (int64_t n = 0; n < N; ++n) {
    if (!rows.have(tokens[n])) continue;
    A* __restrict to = dw + rows.of(tokens[n]) * C;
    const A* from = dy + n * C;
#pragma omp simd
    for (int64_t c = begin; c < end; ++c) to[c] += from[c];
  }
}

}  // namespace

void embedding_forward(Stream&, View y, ConstView w, ConstView tokens, int64_t first_token) {
  const Rows rows{first_token, w.dim(0)};
  const int64_t row_bytes = y.dim(1) * size_bytes(y.dtype());
  const auto* from = static_cast<const std::byte*>(w.raw());
  auto* to = static_cast<std::byte*>(y.raw());
  const int32_t* const token = tokens.data<int32_t>();
  parallel_ranges(y.dim(0), y.numel(), [&](int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) {
      std::byte* const row = to + n * row_bytes;
      if (rows.have(token[n])) {
        std::memcpy(row, from + rows.of(token[n]) * row_bytes, static_cast<size_t>(row_bytes));
      } else {
        std::memset(row, 0, static_cast<size_t>(row_bytes));
      }
    }
  });
}

void embedding_backward(Stream& stream, View dw, ConstView dy, ConstView tokens, GradMode mode,
                        int64_t first_token) {
  if (mode == GradMode::kOverwrite) fill_zero(stream, dw);
  const Rows rows{first_token, dw.dim(0)};
  const int64_t N = dy.dim(0);
  const int64_t C = dy.dim(1);
  // Two threads never write the same 64 bytes of an aligned table.
  constexpr int64_t kColumns = 16;
  with_float_type(dy.dtype(), [&](auto tag) {
    using A = AccumulatorOf<typename decltype(tag)::type>;
    parallel_ranges((C + kColumns - 1) / kColumns, N * C, [&](int64_t begin, int64_t end) {
      add_columns(dw.data<A>(), dy.data<A>(), tokens.data<int32_t>(), rows, N, C, begin * kColumns,
                  std::min(end * kColumns, C));
    });
  });
}

LCKV_CPU_END
