#include "lckv/train/op_cases.h"

#include <algorithm>
#include <set>

#include "lckv/base/random.h"
#include "lckv/base/text.h"
#include "lckv/kernels/table.h"
#include "lckv/model/flops.h"
#include "lckv/model/head.h"

namespace lckv::train {

namespace {

using model::Dims;
using ops::GradMode;
using Operands = OpCase::Operands;

constexpr int64_t kJoinedRanks = 8;
constexpr int64_t kPageTokens = 16;

OpOperand read(DType dtype, const Shape& shape, Values values = Values::kSigned) {
  return {.dtype = dtype, .shape = shape, .access = Access::kRead, .values = values};
}
OpOperand written(DType dtype, const Shape& shape) {
  return {.dtype = dtype, .shape = shape, .access = Access::kWritten};
}
OpOperand updated(DType dtype, const Shape& shape, Values values = Values::kSigned) {
  return {.dtype = dtype, .shape = shape, .access = Access::kUpdated, .values = values};
}
OpOperand part_of(OpOperand whole, int64_t touched) {
  whole.touched = touched;
  return whole;
}

OpOperand integers(std::vector<int32_t> values) {
  const Shape shape{static_cast<int64_t>(values.size())};
  return {.dtype = DType::kI32, .shape = shape, .integers = std::move(values)};
}

OpOperand written_integers(int64_t count) {
  OpOperand operand = integers(std::vector<int32_t>(static_cast<size_t>(count)));
  operand.access = Access::kWritten;
  return operand;
}
/// first, first + step, ...
OpOperand counted(int64_t count, int64_t first, int64_t step) {
  std::vector<int32_t> values;
  for (int64_t i = 0; i < count; ++i) values.push_back(static_cast<int32_t>(first + i * step));
  return integers(std::move(values));
}

OpOperand random_tokens(int64_t count, int64_t vocabulary) {
  const CounterRng rng(7, 7);
  std::vector<int32_t> tokens;
  for (int64_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(
        rng.below(static_cast<uint64_t>(i), static_cast<uint64_t>(vocabulary))));
  }
  return integers(std::move(tokens));
}

int64_t distinct(const OpOperand& tokens) {
  return std::ssize(std::set<int32_t>(tokens.integers.begin(), tokens.integers.end()));
}

/// [N, width] as [N, H, D], of a window that may have strided rows.
View heads(const View& x, const Dims& d) { return x.unflatten(1, x.dim(1) / d.D, d.D); }
/// [N, width] as [B, T, H, D].
View sequences(const View& x, const Dims& d) { return heads(x, d).unflatten(0, d.B, d.T); }
/// The two halves of [N, 2 Ckv], which are projected by one matmul.
View keys(const View& kv, const Dims& d) { return kv.slice(1, 0, d.Ckv()); }
View values(const View& kv, const Dims& d) { return kv.slice(1, d.Ckv(), 2 * d.Ckv()); }

/// Cases by the ops they call; `a` is the dtype of activations, `acc` that of sums and gradients.
class CaseList {
 public:
  CaseList(const Dims& dims, DType dtype, Device device)
      : d(dims),
        a(dtype),
        acc(accumulator(dtype)),
        logit_rows_(std::min(d.N(), model::Head::most_chunk_rows(device))) {}

  std::vector<OpCase> take() {
    norm();
    rope();
    swiglu();
    embedding();
    matmul_forward();
    matmul_backward();
    attention();
    loss();
    split_loss();
    optimizer();
    copies();
    decoding();
    return std::move(cases_);
  }

 private:
  void add(const char* op, std::string part, std::string shape, std::vector<OpOperand> operands,
           std::function<void(Stream&, Operands)> run, double flops = 0) {
    cases_.push_back({.op = op,
                      .part = std::move(part),
                      .shape = std::move(shape),
                      .operands = std::move(operands),
                      .flops = flops,
                      .run = std::move(run)});
  }

  void norm() {
    const Shape x{d.N(), d.C};
    add("rmsnorm_forward", "", to_string(x),
        {written(a, x), written(acc, {d.N()}), read(a, x), read(a, {d.C})},
        [](Stream& s, Operands v) { ops::rmsnorm_forward(s, v[0], v[1], v[2], v[3], 1e-5); });
    add("rmsnorm_backward", "", to_string(x),
        {updated(acc, x), updated(acc, {d.C}), read(a, x), read(a, x),
         read(acc, {d.N()}, Values::kPositive), read(a, {d.C})},
        [](Stream& s, Operands v) {
          ops::rmsnorm_backward(s, v[0], v[1], v[2], v[3], v[4], v[5], GradMode::kAccumulate,
                                GradMode::kAccumulate);
        });
  }

  void rope() {
    const Shape table{d.T, d.D / 2};
    std::vector<int32_t> positions;
    for (int64_t n = 0; n < d.N(); ++n) positions.push_back(static_cast<int32_t>(n % d.T));
    const auto add_one = [&](const char* op, auto function, bool turns_keys) {
      OpOperand x = updated(a, {d.N(), turns_keys ? 2 * d.Ckv() : d.Cq()});
      if (turns_keys) x.touched = d.N() * d.Ckv();
      add(op, turns_keys ? "keys" : "queries",
          to_string(Shape{d.N(), turns_keys ? d.Hkv : d.Hq, d.D}),
          {x, read(acc, table), read(acc, table), integers(positions)},
          [function, turns_keys, dims = d](Stream& s, Operands v) {
            function(s, heads(turns_keys ? keys(v[0], dims) : v[0], dims), v[1], v[2], v[3]);
          });
    };
    for (const bool turns_keys : {false, true}) {
      add_one("rope_forward", ops::rope_forward, turns_keys);
      add_one("rope_backward", ops::rope_backward, turns_keys);
    }
    add("rope_tables", "", to_string(table), {written(acc, table), written(acc, table)},
        [](Stream& s, Operands v) { ops::rope_tables(s, v[0], v[1], 10000.0); });
  }

  void swiglu() {
    const Shape act{d.N(), d.F}, gate_up{d.N(), 2 * d.F};
    add("swiglu_forward", "", to_string(act), {written(a, act), read(a, gate_up)},
        [](Stream& s, Operands v) { ops::swiglu_forward(s, v[0], v[1]); });
    add("swiglu_backward", "", to_string(act),
        {written(a, gate_up), read(a, act), read(a, gate_up)},
        [](Stream& s, Operands v) { ops::swiglu_backward(s, v[0], v[1], v[2]); });
  }

  /// Of the table and its gradient, the rows of the tokens that occur.
  void embedding() {
    const Shape rows{d.N(), d.C}, table{d.V, d.C};
    const OpOperand tokens = random_tokens(d.N(), d.V);
    const int64_t touched = distinct(tokens) * d.C;
    const std::string shape = format("{} of {}", to_string(rows), d.V);
    add("embedding_forward", "", shape,
        {written(a, rows), part_of(read(a, table), touched), tokens},
        [](Stream& s, Operands v) { ops::embedding_forward(s, v[0], v[1], v[2]); });
    add("embedding_backward", "", shape,
        {part_of(updated(acc, table), touched), read(acc, rows), tokens},
        [](Stream& s, Operands v) {
          ops::embedding_backward(s, v[0], v[1], v[2], GradMode::kAccumulate);
        });
  }

  struct Linear {
    const char* part;
    int64_t rows, out, in;
    double flops() const { return 2.0 * double(rows) * double(out) * double(in); }
    std::string shape() const { return format("{} x {} -> {}", rows, in, out); }
  };
  Linear queries() const { return {"queries", d.N(), d.Cq(), d.C}; }
  Linear keys_values() const { return {"keys, values", d.N(), 2 * d.Ckv(), d.C}; }
  Linear output() const { return {"output", d.N(), d.C, d.Cq()}; }
  Linear gate_up() const { return {"gate, up", d.N(), 2 * d.F, d.C}; }
  Linear down() const { return {"down", d.N(), d.C, d.F}; }
  Linear head() const { return {"head", logit_rows_, d.V, d.C}; }

  void matmul_forward() {
    for (const Linear& g : {queries(), keys_values(), gate_up(), head()}) {
      const DType out = g.part == head().part ? acc : a;
      add(
          "matmul_forward", g.part, g.shape(),
          {written(out, {g.rows, g.out}), read(a, {g.rows, g.in}), read(a, {g.out, g.in})},
          [](Stream& s, Operands v) { ops::matmul_forward(s, v[0], v[1], v[2]); }, g.flops());
    }
    for (const Linear& g : {output(), down()}) {
      add(
          "matmul_add_forward", g.part, g.shape(),
          {written(a, {g.rows, g.out}), read(a, {g.rows, g.in}), read(a, {g.out, g.in}),
           read(a, {g.rows, g.out})},
          [](Stream& s, Operands v) { ops::matmul_add_forward(s, v[0], v[1], v[2], v[3]); },
          g.flops());
    }
  }

  void matmul_backward() {
    for (const Linear& g : {queries(), keys_values(), output(), gate_up(), down(), head()}) {
      add(
          "matmul_backward_input", g.part, g.shape(),
          {written(a, {g.rows, g.in}), read(a, {g.rows, g.out}), read(a, {g.out, g.in})},
          [](Stream& s, Operands v) {
            ops::matmul_backward_input(s, v[0], v[1], v[2], GradMode::kOverwrite);
          },
          g.flops());
      add(
          "matmul_backward_weight", g.part, g.shape(),
          {updated(acc, {g.out, g.in}), read(a, {g.rows, g.out}), read(a, {g.rows, g.in})},
          [](Stream& s, Operands v) {
            ops::matmul_backward_weight(s, v[0], v[1], v[2], GradMode::kAccumulate);
          },
          g.flops());
    }
  }

  void attention() {
    const Shape rows{d.N(), d.Cq()}, kv{d.N(), 2 * d.Ckv()}, lse{d.B, d.Hq, d.T};
    const std::string shape =
        format("{} on {} heads, causal", to_string(Shape{d.B, d.T, d.Hq, d.D}), d.Hkv);
    const double pairs = double(d.N()) * double(d.Hq) * model::mean_visible_keys(d.T, false, 0);
    const double product = 2 * pairs * double(d.D);
    add(
        "attention_forward", "", shape,
        {written(a, rows), written(acc, lse), read(a, rows), read(a, kv)},
        [dims = d](Stream& s, Operands v) {
          ops::attention_forward(s, sequences(v[0], dims), v[1], sequences(v[2], dims),
                                 sequences(keys(v[3], dims), dims),
                                 sequences(values(v[3], dims), dims), {});
        },
        2 * product);
    add(
        "attention_backward", "", shape,
        {written(a, rows), written(acc, kv), read(a, rows), read(a, rows),
         read(acc, lse, Values::kPositive), read(a, rows), read(a, kv)},
        [dims = d](Stream& s, Operands v) {
          const auto cut = [&](const View& x) { return sequences(x, dims); };
          ops::attention_backward(s, cut(v[0]), cut(keys(v[1], dims)), cut(values(v[1], dims)),
                                  cut(v[2]), cut(v[3]), v[4], cut(v[5]), cut(keys(v[6], dims)),
                                  cut(values(v[6], dims)), {}, GradMode::kOverwrite);
        },
        4 * product);
  }

  void loss() {
    const Shape logits{logit_rows_, d.V};
    const OpOperand targets = random_tokens(logit_rows_, d.V);
    add("cross_entropy_forward", "", to_string(logits),
        {written(acc, {logit_rows_}), read(acc, logits), targets},
        [](Stream& s, Operands v) { ops::cross_entropy_forward(s, v[0], v[1], v[2]); });
    add("cross_entropy_forward_backward", "", to_string(logits),
        {written(acc, {logit_rows_}), written(a, logits), read(acc, logits), targets,
         read(DType::kF64, {1})},
        [](Stream& s, Operands v) {
          ops::cross_entropy_forward_backward(s, v[0], v[1], v[2], v[3], v[4]);
        });
  }

  void split_loss() {
    const Shape logits{logit_rows_, d.V}, total{2, logit_rows_};
    const OpOperand targets = random_tokens(logit_rows_, d.V);
    const ops::VocabularyPart whole{.first_token = 0, .columns = d.V};
    add("cross_entropy_part", "", to_string(logits),
        {written(DType::kF64, {3, logit_rows_}), read(acc, logits), targets},
        [whole](Stream& s, Operands v) { ops::cross_entropy_part(s, v[0], v[1], v[2], whole); });
    const Shape parts{kJoinedRanks, 3, logit_rows_};
    add("cross_entropy_join", "", to_string(parts),
        {written(acc, {logit_rows_}), written(DType::kF64, total),
         read(DType::kF64, parts, Values::kPositive), targets},
        [](Stream& s, Operands v) { ops::cross_entropy_join(s, v[0], v[1], v[2], v[3]); });
    add("cross_entropy_part_backward", "", to_string(logits),
        {written(a, logits), read(acc, logits), read(DType::kF64, total, Values::kPositive),
         targets, read(DType::kF64, {1})},
        [whole](Stream& s, Operands v) {
          ops::cross_entropy_part_backward(s, v[0], v[1], v[2], v[3], whole, v[4]);
        });
  }

  /// On one matrix, gate and up. Weights that are not BF16 are their own masters.
  void optimizer() {
    const Shape elems{2 * d.F * d.C}, one{1};
    const bool has_masters = a != acc;
    std::vector<OpOperand> operands = {updated(acc, elems), updated(acc, elems),
                                       updated(acc, elems, Values::kPositive), read(acc, elems),
                                       read(acc, one, Values::kPositive)};
    if (has_masters) operands.push_back(written(a, elems));
    add("adamw_update", "gate, up", to_string(elems), operands,
        [has_masters](Stream& s, Operands v) {
          const ops::AdamWStep step{.lr = 1e-5, .weight_decay = 0.1};
          ops::adamw_update(s, has_masters ? v[5] : v[0], v[0], v[1], v[2], v[3], v[4], step);
        });
    const std::vector<OpOperand> reduced = {written(DType::kF64, one), read(acc, elems)};
    add("sum", "gate, up", to_string(elems), reduced,
        [](Stream& s, Operands v) { ops::sum(s, v[0], v[1], GradMode::kOverwrite); });
    add("sum_of_squares", "gate, up", to_string(elems), reduced,
        [](Stream& s, Operands v) { ops::sum_of_squares(s, v[0], v[1], GradMode::kOverwrite); });
    add("clip_scale", "", to_string(one),
        {written(acc, one), read(DType::kF64, one, Values::kPositive)},
        [](Stream& s, Operands v) { ops::clip_scale(s, v[0], v[1], 1.0); });
  }

  void copies() {
    const Shape x{d.N(), d.C};
    const auto copy = [](Stream& s, Operands v) { ops::copy(s, v[0], v[1]); };
    add("copy", std::string(name(a)), to_string(x), {written(a, x), read(a, x)}, copy);
    if (a != acc) {
      add("copy", format("{} to {}", name(acc), name(a)), to_string(x),
          {written(a, x), read(acc, x)}, copy);
    }
    add("fill_zero", "", to_string(x), {written(acc, x)},
        [](Stream& s, Operands v) { ops::fill_zero(s, v[0]); });
    add("add", a == acc ? "" : format("{} to {}", name(a), name(acc)), to_string(x),
        {updated(acc, x), read(a, x)}, [](Stream& s, Operands v) { ops::add(s, v[0], v[1]); });
  }

  /// The next token of each sequence, whose keys fill its pages.
  void decoding() {
    const int64_t P = std::min(kPageTokens, d.T), pages = (d.T + P - 1) / P;
    const Shape queries{d.B, d.Cq()}, kv{d.B * pages * P, d.Ckv()}, rows{d.N(), 2 * d.Ckv()};
    const OpOperand all_kv = part_of(read(a, kv), d.N() * d.Ckv());
    const auto paged = [=, dims = d](Stream& s, Operands v) {
      const auto cut = [&](const View& x) {
        return heads(x, dims).unflatten(0, dims.B * pages, P);
      };
      const ops::PagedKeys keys{.page_table = v[4].reshape({dims.B, pages}),
                                .sequence = v[5],
                                .begin = v[6],
                                .end = v[7],
                                .sink_end = {}};
      ops::paged_attention_forward(s, heads(v[0], dims), heads(v[1], dims), {}, cut(v[2]),
                                   cut(v[3]), keys);
    };
    add("paged_attention_forward", "one token", format("{} keys, {}", d.T, to_string(queries)),
        {written(a, queries), read(a, queries), all_kv, all_kv, counted(d.B * pages, 0, 1),
         counted(d.B, 0, 1), counted(d.B, 0, 0), counted(d.B, d.T, 0)},
        paged, static_cast<double>(4 * d.T * d.B * d.Cq()));
    add("copy_numbered_rows", "keys, values", to_string(rows),
        {written(a, rows), counted(d.N(), d.N() - 1, -1), read(a, rows), counted(d.N(), 0, 1)},
        [](Stream& s, Operands v) { ops::copy_numbered_rows(s, v[0], v[1], v[2], v[3]); });
    add("row_changes", "keys, values", to_string(rows),
        {written(DType::kF64, {d.N(), 2}), read(a, rows), read(a, rows)},
        [](Stream& s, Operands v) { ops::row_changes(s, v[0], v[1], v[2]); });
    const Shape logits{logit_rows_, d.V};
    add("argmax", "", to_string(logits), {written_integers(logit_rows_), read(acc, logits)},
        [](Stream& s, Operands v) { ops::argmax(s, v[0], v[1]); });
  }

  const Dims d;
  const DType a, acc;
  const int64_t logit_rows_;  // those of model::Head
  std::vector<OpCase> cases_;
};

}  // namespace

int64_t OpOperand::moved_bytes() const {
  const int64_t elems = touched < 0 ? shape.numel() : touched;
  return elems * size_bytes(dtype) * (access == Access::kUpdated ? 2 : 1);
}

int64_t OpCase::operand_bytes() const {
  int64_t bytes = 0;
  for (const OpOperand& operand : operands) bytes += operand.bytes();
  return bytes;
}

int64_t OpCase::moved_bytes() const {
  int64_t bytes = 0;
  for (const OpOperand& operand : operands) bytes += operand.moved_bytes();
  return bytes;
}

std::vector<OpCase> list_op_cases(const model::Dims& dims, DType dtype, Device device) {
  return CaseList(dims, dtype, device).take();
}

}  // namespace lckv::train
