#include "lckv/train/exact_validation.h"

#include <algorithm>

#include "lckv/base/clock.h"
#include "lckv/model/layer_spec.h"
#include "lckv/train/run_inputs.h"

namespace lckv::train {

namespace {

constexpr int64_t kSequences = 32;  // scored exactly unless told otherwise
constexpr double kEps = 1e-6;
constexpr double kBf16Rounding = 0x1p-8;

/// Columns begin..end of one sequence, a document's.
void add_row(const data::Batch& batch, int64_t sequence, int64_t begin, int64_t end,
             std::vector<eval::TokenPair>& rows) {
  const auto at = [&](const std::vector<int32_t>& values, int64_t column) {
    return values[static_cast<size_t>(sequence * batch.T + column)];
  };
  eval::TokenPair row;
  for (int64_t column = begin; column < end; ++column) {
    row.tokens.push_back(at(batch.tokens, column));
  }
  const int32_t last = at(batch.targets, end - 1);
  if (last != data::kIgnore) row.tokens.push_back(last);
  row.scored = row.inputs();
  if (row.scored > 0) rows.push_back(std::move(row));
}

void add_rows(const data::Batch& batch, int64_t sequence, std::vector<eval::TokenPair>& rows) {
  int64_t begin = 0;
  for (int64_t column = 1; column < batch.T && !batch.first_key.empty(); ++column) {
    if (batch.first_key[static_cast<size_t>(sequence * batch.T + column)] != column) continue;
    add_row(batch, sequence, begin, column, rows);
    begin = column;
  }
  add_row(batch, sequence, begin, batch.T, rows);
}

}  // namespace

bool is_iterated(const config::ModelConfig& model) {
  const std::vector<model::LayerSpec> layers = model::make_layer_specs(model);
  return std::any_of(layers.begin(), layers.end(),
                     [](const model::LayerSpec& layer) { return layer.upward; });
}

bool validates_exactly(const config::RunConfig& run) {
  if (!run.eval.is_on() || run.data.validation.empty()) return false;
  if (run.eval.exact_validation == config::ExactValidation::kAuto) return is_iterated(run.model);
  return run.eval.exact_validation == config::ExactValidation::kTrue;
}

double converge_eps(const config::EvalConfig& eval, DType dtype) {
  if (eval.converge_eps > 0) return eval.converge_eps;
  return dtype == DType::kBF16 ? std::max(kEps, kBf16Rounding) : kEps;
}

int64_t exact_tokens(const config::RunConfig& run) {
  const int64_t T = run.data.sequence_tokens, all = validation_tokens(run);
  if (!is_iterated(run.model)) return all;
  const int64_t tokens = run.eval.exact_tokens.value_or(kSequences * T);
  if (tokens == 0) return all;
  return all > 0 ? std::min(std::max(tokens, T), all) : std::max(tokens, T);
}

std::vector<eval::TokenPair> rows_of(data::ValidationLoader& loader) {
  std::vector<eval::TokenPair> rows;
  loader.rewind();
  while (const auto batch = loader.next()) {
    for (int64_t sequence = 0; sequence < batch->B; ++sequence) add_rows(*batch, sequence, rows);
  }
  return rows;
}

ExactLoss score_exactly(Stream& stream, eval::RowScorer& scorer,
                        const std::vector<eval::TokenPair>& rows, const comm::Communicators& ranks,
                        const std::atomic<bool>& stop) {
  const Stopwatch watch;
  scorer.forget_work();
  const std::vector<eval::RequestScore> scores = scorer.score(stream, rows, &stop);
  ExactLoss exact;
  for (size_t r = 0; r < rows.size(); ++r) {
    exact.loss -= scores[r].ll;
    exact.tokens += rows[r].scored;
  }
  if (exact.tokens > 0) exact.loss /= static_cast<double>(exact.tokens);
  auto passes = static_cast<int32_t>(scorer.work().most_passes);  // of this copy of the model
  Stream host;
  ranks.world->all_reduce(host, View(&passes, DType::kI32, {1}), comm::ReduceOp::kMax, "passes");
  exact.passes = passes;
  exact.elapsed_s = watch.elapsed_s();
  return exact;
}

}  // namespace lckv::train
