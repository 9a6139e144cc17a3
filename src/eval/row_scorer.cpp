#include "lckv/eval/row_scorer.h"

#include <algorithm>
#include <numeric>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/inference_options.h"
#include "lckv/kernels/ops/cross_entropy.h"
#include "lckv/tensor/transfer.h"

namespace lckv::eval {

namespace {

// Lengths share a network when they round up to the same multiple: few networks are made, little is
// padded.
constexpr int64_t kLengthStep = 32;

/// Rows as [B, T], with the targets of the scored tokens alone.
struct PaddedRows {
  std::vector<int32_t> tokens, targets;

  void add(const TokenPair& row, int64_t T) {
    const size_t begin = tokens.size();
    tokens.insert(tokens.end(), row.tokens.begin(), row.tokens.end() - 1);
    tokens.resize(begin + static_cast<size_t>(T), 0);
    targets.resize(tokens.size(), ops::kIgnoreTarget);
    std::copy(row.tokens.end() - row.scored, row.tokens.end(),
              targets.begin() + static_cast<int64_t>(begin) + row.inputs() - row.scored);
  }
};

double sum(ConstView values) {
  return with_float_type(values.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    double total = 0;
    const T* data = values.data<T>();
    for (int64_t i = 0; i < values.numel(); ++i) {
      total += static_cast<double>(static_cast<AccumulatorOf<T>>(data[i]));
    }
    return total;
  });
}

}  // namespace

struct RowScorer::Network {
  Network(const config::ModelConfig& config, const model::ModelOptions& options, Device device)
      : plan(Arena::planning(device)) {
    model::Model planned(plan, config, options);
    arena = std::make_unique<Arena>(Arena::allocate(plan));
    model = std::make_unique<model::Model>(*arena, config, options);
  }
  Arena plan;
  std::unique_ptr<Arena> arena;
  std::unique_ptr<model::Model> model;
};

RowScorer::RowScorer(const config::ModelConfig& config, const model::ParameterSet& weights,
                     const Options& options)
    : config_(config), weights_(weights), options_(options) {
  LCKV_CHECK(options_.B > 0, format("{} rows to a forward", options_.B));
}

RowScorer::~RowScorer() = default;

RowScorer::Network& RowScorer::network_for(Stream& stream, int64_t inputs) {
  const int64_t T = (inputs + kLengthStep - 1) / kLengthStep * kLengthStep;
  if (!network_ || network_->model->dims().T != T) {
    network_.reset();  // before the next one takes its memory
    network_ = std::make_unique<Network>(
        config_, inference_options(weights_.dtype(), options_.B, T, options_.mode, options_.ranks),
        stream.device());
    network_->model->prepare(stream);
  }
  return *network_;
}

/// scores[i] of the rows i of one batch, the longest first.
void RowScorer::score_batch(Stream& stream, std::span<const TokenPair> rows,
                            std::span<const size_t> batch, std::vector<double>& scores) {
  model::Model& model = *network_for(stream, rows[batch.front()].inputs()).model;
  PaddedRows padded;
  for (const size_t i : batch) padded.add(rows[i], model.dims().T);
  model.score(stream, weights_, {padded.tokens, padded.targets, {}});
  const OnHost on_host(model.nll());
  const ConstView nll = on_host.view().reshape({model.dims().B, model.dims().T});
  int64_t row = 0;
  for (const size_t i : batch) {
    // 0 - x, not -x: the sum over copies knows no -0.
    scores[i] = 0 - sum(nll.slice(0, row, row + 1));
    ++row;
  }
}

std::vector<double> RowScorer::score(Stream& stream, std::span<const TokenPair> rows,
                                     const std::atomic<bool>* stop) {
  if (rows.empty()) return {};
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  // Longest first: if the memory does not suffice, that shows at the beginning.
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return rows[a].inputs() > rows[b].inputs(); });
  const comm::Communicators& ranks = *options_.ranks;
  const auto batch_rows = static_cast<size_t>(options_.B);
  const size_t batches = (order.size() + batch_rows - 1) / batch_rows;
  const auto copies = static_cast<size_t>(ranks.grid.dp);
  const auto turn = static_cast<size_t>(ranks.grid.dp_rank());
  // Each row is scored by one copy and zero elsewhere: the sum keeps its bits.
  std::vector<double> scores(rows.size(), 0.0);
  for (size_t first = 0; first < batches; first += copies) {
    if (comm::any_rank(*ranks.world, stop && *stop, "stop")) {
      throw Interrupted(
          format("stopped after {} of {} continuations", first * batch_rows, order.size()));
    }
    const size_t begin = (first + turn) * batch_rows;
    if (begin >= order.size()) continue;
    const size_t count = std::min(batch_rows, order.size() - begin);
    score_batch(stream, rows, std::span(order).subspan(begin, count), scores);
  }
  ranks.dp->all_reduce(stream, View(scores.data(), DType::kF64, {std::ssize(scores)}),
                       comm::ReduceOp::kSum, "continuation scores");
  return scores;
}

}  // namespace lckv::eval
