#include "lckv/eval/row_network.h"

#include <algorithm>
#include <limits>

#include "lckv/base/error.h"
#include "lckv/base/text.h"

namespace lckv::eval {

namespace {

infer::CachedModel::Options model_options(const RowScorer::Options& options, DType dtype,
                                          int64_t tokens, int64_t longest, int64_t edges) {
  infer::CachedModel::Options model;
  model.dtype = model.cache.dtype = dtype;
  model.most_rows = model.most_wanted = tokens;
  model.converges = options.mode.converge_eps() > 0;
  model.probe = options.kv_probe;
  model.keeps_cache = options.mode.is_sequential();
  model.cache.sequences = edges;
  model.cache.most_tokens = longest;
  model.cache.total_tokens = tokens;
  model.cache.chunk_tokens = longest;
  model.cache.page_tokens = 1;  // rows part at any token
  model.ranks = options.ranks;
  return model;
}

}  // namespace

RowScorer::Network::Network(Arena& arena, const config::ModelConfig& config, const Options& options,
                            DType dtype, const Sizes& sizes)
    : mode_(options.mode),
      shares_prefixes_(options.shares_prefixes),
      sizes_(sizes),
      model_(arena, config,
             model_options(options, dtype, sizes.batch_tokens, sizes.longest, sizes.most_edges)),
      head_(arena, config, model_.dims(), {dtype, sizes.batch_tokens, options.bf16_logits},
            model_.tensor_parallel()) {}

void RowScorer::Network::prepare(Stream& stream) {
  model_.prepare(stream);
  head_.prepare(stream);
}

/// What one forward computes.
struct RowScorer::Network::Step {
  std::vector<infer::NewTokens> entries;
  std::vector<int32_t> first_row;  // of each entry, in the forward
  std::vector<int> edge;           // of each entry
  std::vector<int64_t> position;   // of each entry's first token
  std::vector<const Asked*> asked;

  void add(int of, int64_t sequence, int64_t at, TokenSpan tokens) {
    const int32_t next =
        entries.empty() ? 0 : first_row.back() + static_cast<int32_t>(entries.back().tokens.size());
    entries.push_back({sequence, tokens});
    first_row.push_back(next);
    edge.push_back(of);
    position.push_back(at);
  }
};

std::vector<RowScorer::Network::Asked> RowScorer::Network::asked_of(
    const TokenTrie& trie, std::span<const TokenPair* const> rows) {
  std::vector<Asked> asked;
  for (size_t r = 0; r < rows.size(); ++r) {
    const TokenPair& row = *rows[r];
    for (int64_t at = row.inputs() - row.scored; at < row.inputs(); ++at) {
      asked.push_back({r, trie.edge_of(r, at), at, row.tokens[static_cast<size_t>(at) + 1]});
    }
  }
  return asked;
}

void RowScorer::Network::run(Stream& stream, const model::ParameterSet& weights, const Step& step,
                             const infer::Passes& passes, std::vector<RequestScore>& scores,
                             Work& work) {
  // Where the token before each asked one stands in the forward.
  std::vector<std::pair<int32_t, const Asked*>> places;
  for (const Asked* asked : step.asked) {
    const auto entry = static_cast<size_t>(
        std::lower_bound(step.edge.begin(), step.edge.end(), asked->edge) - step.edge.begin());
    places.emplace_back(
        step.first_row[entry] + static_cast<int32_t>(asked->position - step.position[entry]),
        asked);
  }
  std::stable_sort(places.begin(), places.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  std::vector<int32_t> wanted;
  std::vector<infer::OutputHead::Target> targets;
  for (const auto& [row, asked] : places) {
    if (wanted.empty() || wanted.back() != row) wanted.push_back(row);
    targets.push_back({std::ssize(wanted) - 1, asked->token});
  }
  const ConstView hidden = model_.forward(stream, weights, step.entries, wanted, passes);
  work.most_passes = std::max(work.most_passes, model_.report().passes);
  for (const infer::NewTokens& entry : step.entries)
    work.computed_tokens += std::ssize(entry.tokens);
  if (targets.empty()) return;
  const auto found = head_.score(stream, weights, hidden, targets);
  for (size_t i = 0; i < found.size(); ++i) {
    RequestScore& score = scores[places[i].second->row];
    // 0 - x, not -x: the sum over copies knows no -0.
    score.ll = score.ll + (0 - found[i].nll);
    score.ll_squares += found[i].nll * found[i].nll;
    score.is_greedy = score.is_greedy && found[i].best == targets[i].token;
  }
}

/// The whole tree in one forward.
void RowScorer::Network::score_in_passes(Stream& stream, const model::ParameterSet& weights,
                                         const TokenTrie& trie, std::span<const Asked> asked,
                                         std::vector<RequestScore>& scores, Work& work) {
  infer::KvCache& cache = model_.cache();
  std::vector<int64_t> sequences;
  Step step;
  for (size_t e = 0; e < trie.edges.size(); ++e) {
    const TokenTrie::Edge& edge = trie.edges[e];
    const int64_t sequence =
        edge.parent < 0 ? cache.add()
                        : cache.share(sequences[static_cast<size_t>(edge.parent)], edge.begin);
    cache.append(sequence, std::ssize(edge.tokens));
    sequences.push_back(sequence);
    step.add(static_cast<int>(e), sequence, edge.begin, edge.tokens);
  }
  for (const Asked& one : asked) step.asked.push_back(&one);
  run(stream, weights, step,
      {mode_.passes(std::numeric_limits<int32_t>::max()), mode_.converge_eps()}, scores, work);
  for (const int64_t sequence : sequences) cache.remove(sequence);
}

/// Position after position, left to right: each forward computes one token of every row that is so
/// long.
void RowScorer::Network::score_in_sequence(Stream& stream, const model::ParameterSet& weights,
                                           const TokenTrie& trie, std::span<const Asked> asked,
                                           std::vector<RequestScore>& scores, Work& work) {
  infer::KvCache& cache = model_.cache();
  std::vector<const Asked*> by_position;
  for (const Asked& one : asked) by_position.push_back(&one);
  std::stable_sort(by_position.begin(), by_position.end(),
                   [](const Asked* a, const Asked* b) { return a->position < b->position; });
  std::vector<int64_t> sequences(trie.edges.size(), -1);
  auto next = by_position.begin();
  int64_t longest = 0;
  for (const TokenTrie::Edge& edge : trie.edges) longest = std::max(longest, edge.end());
  for (int64_t position = 0; position < longest; ++position) {
    Step step;
    for (size_t e = 0; e < trie.edges.size(); ++e) {
      const TokenTrie::Edge& edge = trie.edges[e];
      if (position < edge.begin || position >= edge.end()) continue;
      if (position == edge.begin) {
        sequences[e] = edge.parent < 0
                           ? cache.add()
                           : cache.share(sequences[static_cast<size_t>(edge.parent)], edge.begin);
      }
      cache.append(sequences[e], 1);
      step.add(static_cast<int>(e), sequences[e], position,
               edge.tokens.subspan(static_cast<size_t>(position - edge.begin), 1));
    }
    for (; next != by_position.end() && (*next)->position == position; ++next) {
      step.asked.push_back(*next);
    }
    run(stream, weights, step, {1}, scores, work);
  }
  for (const int64_t sequence : sequences) cache.remove(sequence);
}

std::vector<RequestScore> RowScorer::Network::score(Stream& stream,
                                                    const model::ParameterSet& weights,
                                                    std::span<const TokenPair* const> rows,
                                                    Work& work) {
  std::vector<TokenSpan> inputs;
  for (const TokenPair* row : rows) {
    inputs.push_back(TokenSpan(row->tokens).first(static_cast<size_t>(row->inputs())));
  }
  const TokenTrie trie = make_trie(inputs, shares_prefixes_);
  const std::vector<Asked> asked = asked_of(trie, rows);
  std::vector<RequestScore> scores(rows.size(), RequestScore{0, true, ""});
  if (mode_.is_sequential()) {
    score_in_sequence(stream, weights, trie, asked, scores, work);
  } else {
    score_in_passes(stream, weights, trie, asked, scores, work);
  }
  return scores;
}

}  // namespace lckv::eval
