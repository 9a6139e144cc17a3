#include "lckv/eval/kv_convergence.h"

#include <cmath>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/random.h"
#include "lckv/eval/row_scorer.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

using infer::LayerChanges;
using infer::PassReport;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pointwise;

/// A forward of as many passes as there are changes and one, in which all layers tell each row the
/// same.
PassReport report_of(std::vector<LayerChanges> layers, size_t rows, float row_change = 0.5f) {
  PassReport report;
  size_t passes = 0;
  for (const LayerChanges& layer : layers) passes = std::max(passes, layer.passes.size());
  report.passes = static_cast<int64_t>(passes) + 1;
  report.layers = std::move(layers);
  report.rows.assign(passes, std::vector<float>(rows, row_change));
  return report;
}

KvConvergence sum(const std::vector<PassReport>& reports, int64_t tokens, bool distance = false) {
  KvConvergenceSums sums(tokens);
  int64_t first_token = 0;
  for (const PassReport& report : reports) {
    sums.add(report, first_token);
    if (!report.rows.empty()) first_token += std::ssize(report.rows.front());
  }
  Stream stream;
  return sums.over_copies(stream, *comm::single_process().dp, distance);
}

TEST(KvConvergence, IsOneNormOverAllForwards) {
  const PassReport first = report_of({{{{4, 16}, {1, 25}}, {}, 25}}, 2, 0.25f);
  const PassReport second = report_of({{{{5, 20}, {2, 50}}, {}, 50}}, 3, 0.75f);
  const KvConvergence all = sum({first, second}, 5);
  EXPECT_THAT(all.changes, ElementsAre(std::sqrt(9.0 / 36), std::sqrt(3.0 / 75)));
  EXPECT_FALSE(all.exact_distance);
  EXPECT_THAT(all.token_changes, ElementsAre(ElementsAre(0.25f, 0.25f, 0.75f, 0.75f, 0.75f),
                                             ElementsAre(0.25f, 0.25f, 0.75f, 0.75f, 0.75f)));
}

TEST(KvConvergence, ForwardsThatHaveEndedStayAsTheyAre) {
  const PassReport brief = report_of({{{{4, 16}}, {}, 16}}, 1, 0.25f);
  const PassReport lasting = report_of({{{{5, 20}, {2, 50}, {3, 60}}, {}, 60}}, 1, 0.75f);
  const PassReport single = report_of({{{}, {}, 9}}, 1);  // one pass: nothing could have moved
  for (const auto& reports : {std::vector{brief, lasting}, {lasting, brief}}) {
    EXPECT_THAT(sum(reports, 2).changes,
                ElementsAre(std::sqrt(9.0 / 36), std::sqrt(2.0 / 66), std::sqrt(3.0 / 76)));
  }
  EXPECT_THAT(sum({brief, lasting}, 2).token_changes,
              ElementsAre(ElementsAre(0.25f, 0.75f), ElementsAre(0, 0.75f), ElementsAre(0, 0.75f)));
  EXPECT_THAT(sum({single, brief}, 1).changes, ElementsAre(std::sqrt(4.0 / 25)));
  EXPECT_THAT(sum({single}, 1).changes, IsEmpty());
  EXPECT_THAT(sum({}, 0).changes, IsEmpty());
}

TEST(KvConvergence, IsThatOfTheLayerThatMovesMost) {
  const LayerChanges lower{{{4, 16}, {1, 100}}, {9, 100}, 100};
  const LayerChanges upper{{{1, 16}}, {16, 100}, 16};  // its group had converged
  const KvConvergence all = sum({report_of({lower, upper}, 1)}, 1, true);
  EXPECT_THAT(all.changes, ElementsAre(0.5, 0.1));
  EXPECT_EQ(all.exact_distance, 0.4);
}

TEST(KvConvergence, OfWhatIsNotANumberIsInfinite) {
  const PassReport report = report_of({{{{std::nan(""), 16}}, {}, 16}}, 1);
  EXPECT_THAT(sum({report}, 1).changes, ElementsAre(std::numeric_limits<double>::infinity()));
}

TEST(KvConvergence, IsToldOfTheFirstPassesAndTokensOnly) {
  constexpr auto kPasses = static_cast<size_t>(KvConvergence::kMostPasses);
  const auto most = static_cast<size_t>(KvConvergence::kMostTokens);
  const std::vector<infer::SquaredChange> endless(kPasses + 36, {1, 4});
  const KvConvergence all =
      sum({report_of({{endless, {}, 4}}, most - 1, 0.25f), report_of({{endless, {}, 4}}, 5, 0.75f)},
          KvConvergence::kMostTokens + 4);
  EXPECT_EQ(all.changes, std::vector<double>(kPasses - 1, 0.5));
  ASSERT_EQ(all.token_changes.size(), kPasses - 1);
  ASSERT_EQ(all.token_changes.back().size(), most);
  EXPECT_EQ(all.token_changes.back()[most - 2], 0.25f);
  EXPECT_EQ(all.token_changes.back()[most - 1], 0.75f);
}

class KvConvergenceOfRows : public testing::Test {
 protected:
  KvConvergence measure(const ForwardMode& mode, int64_t batch_tokens, bool shares = false) {
    RowScorer scorer(config_, weights_.set(),
                     {.mode = mode,
                      .batch_tokens = batch_tokens,
                      .shares_prefixes = shares,
                      .kv_probe = {.changes = true, .distance_from = 3}});
    scorer.score(stream_, rows_);
    computed_tokens_ = scorer.work().computed_tokens;
    return *scorer.kv_convergence();
  }
  static std::vector<TokenPair> some_rows() {
    const CounterRng rng(3, hash_text("kv rows"));
    std::vector<TokenPair> rows;
    uint64_t at = 0;
    for (const int64_t length : {2, 30, 9, 17, 3, 30}) {
      TokenPair row{{}, 1};
      for (int64_t t = 0; t < length; ++t) {
        row.tokens.push_back(static_cast<int32_t>(rng.below(at++, 256)));
      }
      rows.push_back(row);
    }
    rows.push_back(rows[1]);
    rows.back().tokens[20] ^= 1;  // begins as another
    return rows;
  }

  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  std::vector<TokenPair> rows_ = some_rows();
  int64_t computed_tokens_ = 0;
  Stream stream_;
};

/// Of two sums of the same squares that were added in another order, in other batches.
constexpr double kRelative = 1e-12;

void expect_equal(const KvConvergence& a, const KvConvergence& b) {
  ASSERT_EQ(a.changes.size(), b.changes.size());
  for (size_t p = 0; p < a.changes.size(); ++p) {
    EXPECT_NEAR(a.changes[p], b.changes[p], kRelative);
  }
  EXPECT_NEAR(*a.exact_distance, *b.exact_distance, kRelative);
}

TEST_F(KvConvergenceOfRows, IsTheSameInBatchesOfEverySize) {
  const KvConvergence all = measure(ForwardMode::iterate(6), 4000);
  ASSERT_EQ(all.changes.size(), 5u);
  EXPECT_EQ(all.trained_passes, 4);
  for (const int64_t batch_tokens : {1, 20, 50}) {
    expect_equal(measure(ForwardMode::iterate(6), batch_tokens), all);
  }
  const KvConvergence fewer = measure(ForwardMode::iterate(5), 4000);
  ASSERT_EQ(fewer.changes.size(), 4u);
  EXPECT_EQ(std::vector(all.changes.begin(), all.changes.end() - 1), fewer.changes);
  EXPECT_GT(std::abs(*fewer.exact_distance - *all.exact_distance), 1e3 * kRelative);
}

TEST_F(KvConvergenceOfRows, CountsEveryComputedTokenOnce) {
  for (const bool shares : {false, true}) {
    for (const int64_t batch_tokens : {1, 50, 4000}) {
      const KvConvergence all = measure(ForwardMode::iterate(6), batch_tokens, shares);
      EXPECT_EQ(std::ssize(all.token_changes.front()), computed_tokens_);
      if (shares) continue;
      // First tokens see no other, and never move; all others do in the second pass.
      int64_t still = 0;
      for (const float change : all.token_changes.front()) still += change == 0 ? 1 : 0;
      EXPECT_EQ(still, std::ssize(rows_));
    }
  }
}

TEST_F(KvConvergenceOfRows, ShrinksUntilItIsBelowEps) {
  const KvConvergence all = measure(ForwardMode::converge(1e-9), 50);
  EXPECT_GT(all.changes.front(), 1e-3);
  // The last pass of all gives the output of what had converged.
  EXPECT_LE(all.changes.back(), 1e-9);
  EXPECT_GT(*all.exact_distance, 0);
  for (size_t p = 0; p < all.changes.size(); ++p) {
    double largest = 0;
    for (const float change : all.token_changes[p]) largest = std::max(largest, double{change});
    EXPECT_GE(largest, all.changes[p]) << "no norm exceeds the largest of its rows";
  }
}

TEST_F(KvConvergenceOfRows, IsNotThereUnlessAskedFor) {
  RowScorer scorer(config_, weights_.set(), {.mode = ForwardMode::converge(1e-9)});
  scorer.score(stream_, rows_);
  EXPECT_FALSE(scorer.kv_convergence());
}

/// In mode converge a row gets at least the passes that it takes alone.
TEST_F(KvConvergenceOfRows, NeighboursCanOnlyAddPasses) {
  const std::vector<TokenPair> all = rows_;
  const auto passes = [&](std::vector<TokenPair> rows, bool shares) {
    RowScorer scorer(config_, weights_.set(),
                     {.mode = ForwardMode::converge(1e-4), .shares_prefixes = shares});
    scorer.score(stream_, rows);
    return scorer.work().most_passes;
  };
  int64_t most = 0;
  for (const TokenPair& row : all) most = std::max(most, passes({row}, false));
  EXPECT_EQ(passes(all, false), most);
  EXPECT_GE(passes(all, true), most);
}

}  // namespace
}  // namespace lckv::eval
