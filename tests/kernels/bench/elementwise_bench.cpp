// Speed of the ops that move memory, in bytes that they must read and write per second. Threads:
// OMP_NUM_THREADS.

#include <benchmark/benchmark.h>

#include "lckv/kernels/ops/adamw.h"
#include "lckv/kernels/ops/copy.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/kernels/ops/embedding.h"
#include "lckv/kernels/ops/reduce.h"
#include "lckv/kernels/ops/rmsnorm.h"
#include "lckv/kernels/ops/rope.h"
#include "lckv/kernels/ops/swiglu.h"
#include "lckv/test_support/random_tensor.h"

namespace lckv {
namespace {

using test::random_tensor;
using test::random_tokens;

DType dtype_argument(const benchmark::State& state) {
  return state.range(0) == 0 ? DType::kBF16 : DType::kF32;
}

template <class F>
void run(benchmark::State& state, int64_t bytes, const F& f) {
  f();
  for (auto _ : state) {
    f();
    benchmark::ClobberMemory();
  }
  state.SetLabel(std::string(name(dtype_argument(state))));
  state.SetBytesProcessed(state.iterations() * bytes);
}

void rmsnorm_forward(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), C = state.range(2);
  const Buffer x = random_tensor(dtype, {N, C}, 1), w = random_tensor(dtype, {C}, 2);
  const Buffer y(dtype, {N, C}), rstd(DType::kF32, {N});
  Stream stream;
  run(state, x.bytes() + y.bytes(),
      [&] { ops::rmsnorm_forward(stream, y.view(), rstd.view(), x.view(), w.view(), 1e-5); });
}

void rmsnorm_backward(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), C = state.range(2);
  const Buffer x = random_tensor(dtype, {N, C}, 1), w = random_tensor(dtype, {C}, 2);
  const Buffer dy = random_tensor(dtype, {N, C}, 3), rstd = random_tensor(DType::kF32, {N}, 4);
  const Buffer dx(DType::kF32, {N, C}), dw(DType::kF32, {C});
  Stream stream;
  run(state, x.bytes() + dy.bytes() + 2 * dx.bytes(), [&] {
    ops::rmsnorm_backward(stream, dx.view(), dw.view(), dy.view(), x.view(), rstd.view(), w.view(),
                          ops::GradMode::kAccumulate, ops::GradMode::kAccumulate);
  });
}

void rope(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), C = state.range(2), D = 64;
  const Buffer x = random_tensor(dtype, {N, C / D, D}, 1);
  const Buffer cos(DType::kF32, {N, D / 2}), sin(DType::kF32, {N, D / 2});
  const Buffer positions = random_tokens({N}, N, 2);
  Stream stream;
  ops::rope_tables(stream, cos.view(), sin.view(), 10000);
  run(state, 2 * x.bytes(),
      [&] { ops::rope_forward(stream, x.view(), cos.view(), sin.view(), positions.view()); });
}

void swiglu_forward(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), F = state.range(2);
  const Buffer gate_up = random_tensor(dtype, {N, 2 * F}, 1), act(dtype, {N, F});
  Stream stream;
  run(state, gate_up.bytes() + act.bytes(),
      [&] { ops::swiglu_forward(stream, act.view(), gate_up.view()); });
}

void swiglu_backward(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), F = state.range(2);
  const Buffer gate_up = random_tensor(dtype, {N, 2 * F}, 1),
               dact = random_tensor(dtype, {N, F}, 2);
  const Buffer dgate_up(dtype, {N, 2 * F});
  Stream stream;
  run(state, 2 * gate_up.bytes() + dact.bytes(),
      [&] { ops::swiglu_backward(stream, dgate_up.view(), dact.view(), gate_up.view()); });
}

void cross_entropy(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t N = state.range(1), V = state.range(2);
  const Buffer logits = random_tensor(DType::kF32, {N, V}, 1), targets = random_tokens({N}, V, 2);
  const Buffer nll(DType::kF32, {N}), dlogits(dtype, {N, V}), scale = test::scalar_of(1e-3);
  Stream stream;
  run(state, logits.bytes() + dlogits.bytes(), [&] {
    ops::cross_entropy_forward_backward(stream, nll.view(), dlogits.view(), logits.view(),
                                        targets.view(), scale.view());
  });
}

void embedding_backward(benchmark::State& state) {
  const int64_t N = state.range(1), V = 32000, C = state.range(2);
  const Buffer dy = random_tensor(DType::kF32, {N, C}, 1), tokens = random_tokens({N}, V, 2);
  const Buffer dw(DType::kF32, {V, C});
  Stream stream;
  run(state, dw.bytes() + 3 * dy.bytes(), [&] {
    ops::embedding_backward(stream, dw.view(), dy.view(), tokens.view(), ops::GradMode::kOverwrite);
  });
}

void adamw(benchmark::State& state) {
  const DType dtype = dtype_argument(state);
  const int64_t n = state.range(1) * state.range(2);
  const Buffer master = random_tensor(DType::kF32, {n}, 1), m = random_tensor(DType::kF32, {n}, 2);
  const Buffer v(DType::kF32, {n}), g = random_tensor(DType::kF32, {n}, 3);
  const Buffer w(DType::kBF16, {n}), scale(DType::kF32, {1});
  scale.view().data<float>()[0] = 1;
  const View weights = dtype == DType::kBF16 ? w.view() : master.view();
  Stream stream;
  const ops::AdamWStep step{.lr = 1e-4, .weight_decay = 0.1, .step = 10};
  const int64_t bytes_per_elem = 7 * 4 + (dtype == DType::kBF16 ? 2 : 0);
  run(state, n * bytes_per_elem, [&] {
    ops::adamw_update(stream, weights, master.view(), m.view(), v.view(), g.view(), scale.view(),
                      step);
  });
}

void sum_of_squares(benchmark::State& state) {
  const Buffer x = random_tensor(dtype_argument(state), {state.range(1), state.range(2)}, 1);
  const Buffer total(DType::kF64, {1});
  Stream stream;
  run(state, x.bytes(),
      [&] { ops::sum_of_squares(stream, total.view(), x.view(), ops::GradMode::kOverwrite); });
}

void cast_to_f32(benchmark::State& state) {
  const Buffer from = random_tensor(dtype_argument(state), {state.range(1), state.range(2)}, 1);
  const Buffer to(DType::kF32, from.view().shape());
  Stream stream;
  run(state, to.bytes() + from.bytes(), [&] { ops::copy(stream, to.view(), from.view()); });
}

void add(benchmark::State& state) {
  const Buffer from = random_tensor(dtype_argument(state), {state.range(1), state.range(2)}, 1);
  const Buffer to(DType::kF32, from.view().shape());
  Stream stream;
  run(state, 2 * to.bytes() + from.bytes(), [&] { ops::add(stream, to.view(), from.view()); });
}

// dtype (0: bf16, 1: f32), rows, columns
void rows(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{0, 1}, {1024, 8192}, {512, 1024}})->UseRealTime();
}
void large(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{0, 1}, {1024, 32768}, {512}})->UseRealTime();
}
void vocabulary(benchmark::internal::Benchmark* bench) {
  bench->ArgsProduct({{0, 1}, {256, 1024}, {32000}})->UseRealTime();
}
void table(benchmark::internal::Benchmark* bench) { bench->Args({1, 2048, 512})->UseRealTime(); }

BENCHMARK(rmsnorm_forward)->Apply(rows);
BENCHMARK(rmsnorm_backward)->Apply(rows);
BENCHMARK(rope)->Apply(rows);
BENCHMARK(swiglu_forward)->Apply(rows);
BENCHMARK(swiglu_backward)->Apply(rows);
BENCHMARK(cross_entropy)->Apply(vocabulary);
BENCHMARK(embedding_backward)->Apply(table);
BENCHMARK(adamw)->Apply(large);
BENCHMARK(sum_of_squares)->Apply(large);
BENCHMARK(cast_to_f32)->Apply(large);
BENCHMARK(add)->Apply(large);

}  // namespace
}  // namespace lckv
