#include <benchmark/benchmark.h>

#include "lckv/kernels/ops/attention.h"
#include "lckv/kernels/ops/matmul.h"
#include "lckv/test_support/random_tensor.h"

// Rates of the two op families that a training step spends its time in, at the shapes of the 50M
// models.
namespace lckv {
namespace {

using ops::GradMode;
using test::random_tensor;

DType dtype_of_arg(int64_t arg) { return arg == 0 ? DType::kF32 : DType::kBF16; }

void report(benchmark::State& state, double flop) {
  state.counters["GFLOP/s"] = benchmark::Counter(
      flop * 1e-9 * static_cast<double>(state.iterations()), benchmark::Counter::kIsRate);
}

double product_flop(int64_t n, int64_t o, int64_t k) {
  return 2.0 * static_cast<double>(n) * static_cast<double>(o) * static_cast<double>(k);
}

// Arguments: rows N, width O, width K, dtype.
void bm_matmul_forward(benchmark::State& state) {
  const int64_t n = state.range(0), o = state.range(1), k = state.range(2);
  const DType dtype = dtype_of_arg(state.range(3));
  const Buffer x = random_tensor(dtype, {n, k}, 1), w = random_tensor(dtype, {o, k}, 2);
  const Buffer y(dtype, {n, o});
  Stream stream;
  for (auto _ : state) ops::matmul_forward(stream, y.view(), x.view(), w.view());
  report(state, product_flop(n, o, k));
}

void bm_matmul_add_forward(benchmark::State& state) {
  const int64_t n = state.range(0), o = state.range(1), k = state.range(2);
  const DType dtype = dtype_of_arg(state.range(3));
  const Buffer x = random_tensor(dtype, {n, k}, 1), w = random_tensor(dtype, {o, k}, 2);
  const Buffer y(dtype, {n, o}), residual = random_tensor(dtype, {n, o}, 3);
  Stream stream;
  for (auto _ : state) {
    ops::matmul_add_forward(stream, y.view(), x.view(), w.view(), residual.view());
  }
  report(state, product_flop(n, o, k));
}

void bm_matmul_backward_input(benchmark::State& state) {
  const int64_t n = state.range(0), o = state.range(1), k = state.range(2);
  const DType dtype = dtype_of_arg(state.range(3));
  const Buffer dy = random_tensor(dtype, {n, o}, 1), w = random_tensor(dtype, {o, k}, 2);
  const Buffer dx(dtype, {n, k});
  Stream stream;
  for (auto _ : state) {
    ops::matmul_backward_input(stream, dx.view(), dy.view(), w.view(), GradMode::kOverwrite);
  }
  report(state, product_flop(n, o, k));
}

void bm_matmul_backward_weight(benchmark::State& state) {
  const int64_t n = state.range(0), o = state.range(1), k = state.range(2);
  const DType dtype = dtype_of_arg(state.range(3));
  const Buffer dy = random_tensor(dtype, {n, o}, 1), x = random_tensor(dtype, {n, k}, 2);
  const Buffer dw(DType::kF32, {o, k});
  Stream stream;
  for (auto _ : state) {
    ops::matmul_backward_weight(stream, dw.view(), dy.view(), x.view(), GradMode::kAccumulate);
  }
  report(state, product_flop(n, o, k));
}

void matmul_shapes(benchmark::internal::Benchmark* bench) {
  for (const int64_t dtype : {0, 1}) {
    for (const int64_t n : {1024, 4096, 8192}) {
      bench->Args({n, 512, 512, dtype});
      bench->Args({n, 256, 512, dtype});
      bench->Args({n, 2048, 512, dtype});
      bench->Args({n, 512, 1024, dtype});
    }
    for (const int64_t n : {256, 1024}) bench->Args({n, 32000, 512, dtype});
  }
  bench->Unit(benchmark::kMicrosecond)->UseRealTime()->MeasureProcessCPUTime();
}

BENCHMARK(bm_matmul_forward)->Apply(matmul_shapes);
BENCHMARK(bm_matmul_add_forward)
    ->Args({4096, 512, 1024, 0})
    ->Args({4096, 512, 1024, 1})
    ->Unit(benchmark::kMicrosecond)
    ->UseRealTime()
    ->MeasureProcessCPUTime();
BENCHMARK(bm_matmul_backward_input)->Apply(matmul_shapes);
BENCHMARK(bm_matmul_backward_weight)->Apply(matmul_shapes);

struct AttentionCase {
  explicit AttentionCase(const benchmark::State& state)
      : batch(state.range(0)), tokens(state.range(1)), dtype(dtype_of_arg(state.range(3))) {
    mask.strict = state.range(2) != 0;
  }

  /// Visible (query, key) pairs over all heads.
  double pairs() const {
    const auto t = static_cast<double>(tokens);
    return static_cast<double>(batch * heads) * t * (mask.strict ? t - 1.0 : t + 1.0) / 2.0;
  }

  int64_t batch, tokens, heads = 8, kv_heads = 4, width = 64;
  DType dtype;
  ops::AttentionMask mask;
  Buffer q = random_tensor(dtype, {batch, tokens, heads, width}, 1);
  Buffer k = random_tensor(dtype, {batch, tokens, kv_heads, width}, 2);
  Buffer v = random_tensor(dtype, {batch, tokens, kv_heads, width}, 3);
  Buffer dout = random_tensor(dtype, {batch, tokens, heads, width}, 4);
  Buffer out{dtype, {batch, tokens, heads, width}};
  Buffer lse{DType::kF32, {batch, heads, tokens}};
  Buffer dq{dtype, {batch, tokens, heads, width}};
  Buffer dk{DType::kF32, {batch, tokens, kv_heads, width}};
  Buffer dv{DType::kF32, {batch, tokens, kv_heads, width}};
};

void forward(Stream& stream, const AttentionCase& c) {
  ops::attention_forward(stream, c.out.view(), c.lse.view(), c.q.view(), c.k.view(), c.v.view(),
                         c.mask);
}

// Arguments: sequences B, tokens T, strict, dtype. 4 D FLOP per visible pair.
void bm_attention_forward(benchmark::State& state) {
  const AttentionCase c(state);
  Stream stream;
  for (auto _ : state) forward(stream, c);
  report(state, 4.0 * static_cast<double>(c.width) * c.pairs());
}

// 8 D FLOP per visible pair: the scores computed again are not counted.
void bm_attention_backward(benchmark::State& state) {
  const AttentionCase c(state);
  Stream stream;
  forward(stream, c);
  for (auto _ : state) {
    ops::attention_backward(stream, c.dq.view(), c.dk.view(), c.dv.view(), c.dout.view(),
                            c.out.view(), c.lse.view(), c.q.view(), c.k.view(), c.v.view(), c.mask,
                            GradMode::kAccumulate);
  }
  report(state, 8.0 * static_cast<double>(c.width) * c.pairs());
}

// Keys are constants: 4 D FLOP per visible pair.
void bm_attention_backward_queries(benchmark::State& state) {
  const AttentionCase c(state);
  Stream stream;
  forward(stream, c);
  for (auto _ : state) {
    ops::attention_backward(stream, c.dq.view(), {}, {}, c.dout.view(), c.out.view(), c.lse.view(),
                            c.q.view(), c.k.view(), c.v.view(), c.mask, GradMode::kOverwrite);
  }
  report(state, 4.0 * static_cast<double>(c.width) * c.pairs());
}

void attention_shapes(benchmark::internal::Benchmark* bench) {
  for (const int64_t dtype : {0, 1}) {
    bench->Args({8, 1024, 0, dtype})->Args({4, 1024, 1, dtype})->Args({1, 4096, 1, dtype});
  }
  bench->Unit(benchmark::kMicrosecond)->UseRealTime()->MeasureProcessCPUTime();
}

BENCHMARK(bm_attention_forward)->Apply(attention_shapes);
BENCHMARK(bm_attention_backward)->Apply(attention_shapes);
BENCHMARK(bm_attention_backward_queries)->Apply(attention_shapes);

}  // namespace
}  // namespace lckv
