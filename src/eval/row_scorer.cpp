#include "lckv/eval/row_scorer.h"

#include <algorithm>
#include <numeric>

#include "lckv/base/clock.h"
#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/comm/agreement.h"
#include "lckv/eval/row_network.h"

namespace lckv::eval {

namespace {

// Every row of a tree brings two edges or fewer, and each edge has a line of as many entries as a
// row has tokens in the cache's table.
constexpr int64_t kEdgesPerRow = 2;
constexpr int64_t kMostRows = 1024, kFewestRows = 32;
constexpr int64_t kMostEntries = int64_t{4} << 20;

TokenSpan inputs_of(const TokenPair& row) {
  return TokenSpan(row.tokens).first(static_cast<size_t>(row.inputs()));
}

/// In lexicographic order of the inputs: rows that begin alike are neighbours.
std::vector<size_t> sorted_rows(std::span<const TokenPair> rows) {
  std::vector<size_t> order(rows.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    const TokenSpan x = inputs_of(rows[a]), y = inputs_of(rows[b]);
    return std::lexicographical_compare(x.begin(), x.end(), y.begin(), y.end());
  });
  return order;
}

/// Collective: throws Interrupted on all ranks when any is told to stop.
void require_no_stop(comm::Communicator& world, const std::atomic<bool>* stop, size_t done,
                     size_t batches) {
  if (!comm::any_rank(world, stop && *stop, "stop")) return;
  throw Interrupted(format("stopped after {} of {} batches of continuations", done, batches));
}

constexpr size_t kNumbers = 3;  // of a row: log-probability, greedy, sum of squares

///   numbers   [rows, kNumbers]
std::vector<RequestScore> as_scores(const std::vector<double>& numbers) {
  std::vector<RequestScore> scores(numbers.size() / kNumbers);
  for (size_t r = 0; r < scores.size(); ++r) {
    const double* of_row = &numbers[kNumbers * r];
    scores[r] = {of_row[0], of_row[1] != 0, "", of_row[2]};
  }
  return scores;
}

void put(const RequestScore& score, double* of_row) {
  of_row[0] = score.ll;
  of_row[1] = score.is_greedy ? 1 : 0;
  of_row[2] = score.ll_squares;
}

}  // namespace

/// Rows of one tree, by their number.
struct RowScorer::Batch {
  std::vector<size_t> rows;
  int64_t tokens = 0;
  int64_t first_token = 0;  // among those of all batches
};

RowScorer::RowScorer(const config::ModelConfig& config, const model::ParameterSet& weights,
                     const Options& options)
    : config_(config), weights_(weights), options_(options) {
  LCKV_CHECK(options_.batch_tokens > 0, format("{} tokens to a forward", options_.batch_tokens));
}

RowScorer::RowScorer(Arena& arena, const config::ModelConfig& config,
                     const model::ParameterSet& weights, const Options& options, int64_t longest)
    : RowScorer(config, weights, options) {
  network_ = std::make_unique<Network>(arena, config, options, weights.dtype(), sizes_for(longest));
}

RowScorer::~RowScorer() = default;

void RowScorer::prepare(Stream& stream) { network_->prepare(stream); }

std::vector<RowScorer::Batch> RowScorer::make_batches(std::span<const TokenPair> rows) const {
  const auto most_rows =
      static_cast<size_t>(std::max<int64_t>(1, network_->sizes().most_edges / kEdgesPerRow));
  std::vector<Batch> batches;
  for (const size_t r : sorted_rows(rows)) {
    const TokenSpan inputs = inputs_of(rows[r]);
    LCKV_CHECK(rows[r].scored > 0 && rows[r].scored <= rows[r].inputs(),
               format("{} of {} tokens are to be scored", rows[r].scored, rows[r].inputs()));
    int64_t added = std::ssize(inputs);
    if (!batches.empty() && options_.shares_prefixes) {
      added -= common_prefix(inputs, inputs_of(rows[batches.back().rows.back()]));
    }
    const bool fits = !batches.empty() && batches.back().rows.size() < most_rows &&
                      batches.back().tokens + added <= options_.batch_tokens;
    if (!fits) {
      const int64_t before =
          batches.empty() ? 0 : batches.back().first_token + batches.back().tokens;
      batches.push_back({.rows = {}, .first_token = before});
      added = std::ssize(inputs);
    }
    batches.back().rows.push_back(r);
    batches.back().tokens += added;
  }
  return batches;
}

RowScorer::Sizes RowScorer::sizes_for(int64_t longest) const {
  const int64_t tokens = std::max(options_.batch_tokens, longest);
  const int64_t rows = std::clamp(kMostEntries / kEdgesPerRow / longest, kFewestRows, kMostRows);
  return {tokens, longest, std::min(tokens, kEdgesPerRow * rows)};
}

RowScorer::Network& RowScorer::network_for(Stream& stream, int64_t longest) {
  if (network_ && network_->sizes().longest >= longest) return *network_;
  network_.reset();
  memory_.reset();  // before the next one takes its own
  Arena plan = Arena::planning(stream.device());
  Network(plan, config_, options_, weights_.dtype(), sizes_for(longest));
  memory_ = std::make_unique<Arena>(Arena::allocate(plan));
  network_ =
      std::make_unique<Network>(*memory_, config_, options_, weights_.dtype(), sizes_for(longest));
  network_->prepare(stream);
  return *network_;
}

void RowScorer::sum_kv_changes(Stream& stream, KvConvergenceSums& sums) {
  kv_convergence_ =
      sums.over_copies(stream, *options_.ranks->dp, options_.kv_probe.distance_from > 0);
  kv_convergence_->trained_passes = config_.forward_passes + config_.backward_passes;
}

std::vector<RequestScore> RowScorer::score(Stream& stream, std::span<const TokenPair> rows,
                                           const std::atomic<bool>* stop) {
  kv_convergence_.reset();
  if (rows.empty()) return {};
  const Stopwatch watch;
  int64_t longest = 0;
  for (const TokenPair& row : rows) {
    longest = std::max(longest, row.inputs());
    work_.row_tokens += row.inputs();
  }
  work_.rows += std::ssize(rows);
  Network& network = network_for(stream, longest);
  const std::vector<Batch> batches = make_batches(rows);
  const comm::Communicators& ranks = *options_.ranks;
  const auto copies = static_cast<size_t>(ranks.grid.dp);
  const auto turn = static_cast<size_t>(ranks.grid.dp_rank());
  // [rows, kNumbers]. Each row is scored by one copy and zero elsewhere: the sum keeps its bits.
  std::vector<double> scores(kNumbers * rows.size(), 0.0);
  KvConvergenceSums kv_sums(batches.back().first_token + batches.back().tokens);
  for (size_t first = 0; first < batches.size(); first += copies) {
    require_no_stop(*ranks.world, stop, first, batches.size());
    if (first + turn >= batches.size()) continue;
    const Batch& batch = batches[first + turn];
    std::vector<const TokenPair*> own;
    for (const size_t r : batch.rows) own.push_back(&rows[r]);
    const std::vector<RequestScore> found = network.score(stream, weights_, own, work_);
    if (options_.kv_probe.changes) kv_sums.add(network.report(), batch.first_token);
    for (size_t i = 0; i < found.size(); ++i) put(found[i], &scores[kNumbers * batch.rows[i]]);
  }
  ranks.dp->all_reduce(stream, View(scores.data(), DType::kF64, {std::ssize(scores)}),
                       comm::ReduceOp::kSum, "continuation scores");
  if (options_.kv_probe.changes) sum_kv_changes(stream, kv_sums);
  work_.elapsed_s += watch.elapsed_s();
  return as_scores(scores);
}

}  // namespace lckv::eval
