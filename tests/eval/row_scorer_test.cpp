#include "lckv/eval/row_scorer.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lckv/base/random.h"
#include "lckv/eval/token_trie.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr double kVisits = 40;  // of layers, at most, in these tests

/// Continuations of a few contexts, some equal, some of one token, with rows that are the beginning
/// of others.
std::vector<TokenPair> some_rows() {
  const CounterRng rng(3, hash_text("rows"));
  uint64_t at = 0;
  const auto tokens = [&](int64_t count) {
    std::vector<int32_t> list;
    for (int64_t i = 0; i < count; ++i) list.push_back(static_cast<int32_t>(rng.below(at++, 256)));
    return list;
  };
  std::vector<TokenPair> rows;
  for (const int64_t context : {3, 9, 20, 1}) {
    const std::vector<int32_t> head = tokens(context);
    for (const int64_t tail : {1, 1, 6, 2, 6}) {
      TokenPair row{head, tail};
      const std::vector<int32_t> end = tokens(tail);
      row.tokens.insert(row.tokens.end(), end.begin(), end.end());
      rows.push_back(row);
    }
  }
  rows.push_back(rows[2]);              // asked twice
  rows.push_back({rows[2].tokens, 2});  // the same row, fewer tokens scored
  TokenPair shorter = rows[7];
  shorter.tokens.pop_back();
  shorter.scored = 1;
  rows.push_back(shorter);  // the beginning of another row
  return rows;
}

double plain_ll(const config::ModelConfig& config, const model::ParameterSet& weights,
                const TokenPair& row, int passes) {
  const auto T = static_cast<size_t>(row.inputs());
  std::vector<int32_t> targets(T, -1);
  std::copy(row.tokens.end() - row.scored, row.tokens.end(), targets.end() - row.scored);
  PlainScorer plain(config, weights, row.inputs(), passes);
  return -plain.nll(std::span(row.tokens).first(T), targets);
}

class Rows : public testing::Test {
 protected:
  std::vector<RequestScore> score(const RowScorer::Options& options) {
    RowScorer scorer(config_, weights_.set(), options);
    std::vector<RequestScore> scores = scorer.score(stream_, rows_);
    work_ = scorer.work();
    return scores;
  }

  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  std::vector<TokenPair> rows_ = some_rows();
  RowScorer::Work work_;
  Stream stream_;
};

TEST_F(Rows, AreScoredAsTheModelAloneDoes) {
  for (const bool shares : {true, false}) {
    for (const int64_t batch_tokens : {1, 60, 4000}) {
      const auto scores = score({.mode = ForwardMode::iterate(4),
                                 .batch_tokens = batch_tokens,
                                 .shares_prefixes = shares});
      for (size_t r = 0; r < rows_.size(); ++r) {
        const double expected = plain_ll(config_, weights_.set(), rows_[r], 4);
        EXPECT_NEAR(scores[r].ll, expected, rounding_bound(-expected, kVisits))
            << "row " << r << " shares " << shares << " of " << batch_tokens;
      }
    }
  }
}

TEST_F(Rows, ShareWhatTheyBeginWithAndComputeItOnce) {
  const auto shared = score({.mode = ForwardMode::iterate(4), .batch_tokens = 4000});
  const RowScorer::Work with = work_;
  const auto whole =
      score({.mode = ForwardMode::iterate(4), .batch_tokens = 4000, .shares_prefixes = false});
  EXPECT_EQ(work_.computed_tokens, work_.row_tokens);
  EXPECT_EQ(with.row_tokens, work_.row_tokens);
  EXPECT_LT(with.computed_tokens, with.row_tokens / 2);
  for (size_t r = 0; r < rows_.size(); ++r) {
    EXPECT_NEAR(shared[r].ll, whole[r].ll, rounding_bound(-whole[r].ll, kVisits));
    EXPECT_EQ(shared[r].is_greedy, whole[r].is_greedy);
  }
}

TEST_F(Rows, OfAllModesAgreeWhereTheFixedPointIsReached) {
  const auto exact = score({.mode = ForwardMode::sequential(), .batch_tokens = 200});
  EXPECT_EQ(work_.most_passes, 1);
  const auto many = score({.mode = ForwardMode::iterate(1000), .batch_tokens = 200});
  const auto converged = score({.mode = ForwardMode::converge(1e-15), .batch_tokens = 200});
  EXPECT_LE(work_.most_passes, 26);
  const auto few = score({.mode = ForwardMode::iterate(2), .batch_tokens = 200});
  bool differs = false;
  for (size_t r = 0; r < rows_.size(); ++r) {
    const double bound = rounding_bound(-exact[r].ll, 4 * kVisits);
    EXPECT_NEAR(many[r].ll, exact[r].ll, bound);
    EXPECT_NEAR(converged[r].ll, exact[r].ll, 10 * bound);
    differs = differs || std::abs(few[r].ll - exact[r].ll) > 1e3 * bound;
  }
  EXPECT_TRUE(differs) << "two passes are not the fixed point: the modes were not told apart";
}

TEST_F(Rows, AreGreedyWhereEveryTokenIsTheLikeliest) {
  // Make a row that is greedy: append what the model likes best, twice.
  TokenPair row{{5, 6, 7}, 1};
  for (int i = 0; i < 2; ++i) {
    double best = -std::numeric_limits<double>::infinity();
    int32_t token = 0;
    for (int32_t candidate = 0; candidate < 258; ++candidate) {
      TokenPair trial = row;
      trial.tokens.push_back(candidate);
      const double ll = plain_ll(config_, weights_.set(), trial, 4);
      if (ll > best) best = ll, token = candidate;
    }
    row.tokens.push_back(token);
  }
  row.scored = 2;
  TokenPair other = row;
  other.tokens.back() = (other.tokens.back() + 1) % 258;
  rows_ = {other, row};
  const auto scores = score({.mode = ForwardMode::iterate(4)});
  EXPECT_FALSE(scores[0].is_greedy);
  EXPECT_TRUE(scores[1].is_greedy);
}

TEST(TokenTrie, HoldsEveryRowOnce) {
  const std::vector<std::vector<int32_t>> rows = {{1},          {1, 2, 3}, {1, 2, 3},
                                                  {1, 2, 4, 5}, {2},       {2, 7}};
  std::vector<TokenSpan> spans(rows.begin(), rows.end());
  const TokenTrie trie = make_trie(spans, true);
  EXPECT_EQ(trie.tokens(), 7);  // 1, 2, 3, 45, 2, 7
  for (size_t r = 0; r < rows.size(); ++r) {
    for (int64_t at = 0; at < std::ssize(rows[r]); ++at) {
      const TokenTrie::Edge& edge = trie.edges[static_cast<size_t>(trie.edge_of(r, at))];
      EXPECT_EQ(edge.tokens[static_cast<size_t>(at - edge.begin)],
                rows[r][static_cast<size_t>(at)]);
    }
  }
  for (size_t e = 0; e < trie.edges.size(); ++e)
    EXPECT_LT(trie.edges[e].parent, static_cast<int>(e));
  EXPECT_EQ(make_trie(spans, false).tokens(), 14);
}

}  // namespace
}  // namespace lckv::eval
