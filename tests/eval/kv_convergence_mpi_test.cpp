#include "grids.h"
#include "lckv/base/random.h"
#include "lckv/eval/kv_convergence.h"
#include "lckv/eval/row_scorer.h"
#include "lckv/mpi_test/intercepted.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr double kRelative = 1e-9;

class KvConvergenceOnRanks : public testing::Test {
 protected:
  KvConvergence measure(const comm::Communicators& ranks, const ForwardMode& mode,
                        int64_t batch_tokens) {
    const TinyWeights weights(config_, DType::kF64, share_of(ranks));
    RowScorer scorer(config_, weights.set(),
                     {.mode = mode,
                      .batch_tokens = batch_tokens,
                      .kv_probe = {.changes = true, .distance_from = 3},
                      .ranks = &ranks});
    Stream stream;
    scorer.score(stream, rows_);
    most_passes_ = total_passes(ranks, scorer.work().most_passes);
    return *scorer.kv_convergence();
  }
  static std::vector<TokenPair> some_rows() {
    const CounterRng rng(3, hash_text("kv rows"));
    std::vector<TokenPair> rows;
    uint64_t at = 0;
    for (const int64_t length : {2, 30, 9, 17, 3}) {
      TokenPair row{{}, 1};
      for (int64_t t = 0; t < length; ++t) {
        row.tokens.push_back(static_cast<int32_t>(rng.below(at++, 256)));
      }
      rows.push_back(row);
    }
    return rows;
  }
  /// Most of any copy.
  static int32_t total_passes(const comm::Communicators& ranks, int64_t own) {
    auto passes = static_cast<int32_t>(own);
    Stream stream;
    ranks.world->all_reduce(stream, View(&passes, DType::kI32, {1}), comm::ReduceOp::kMax,
                            "passes");
    return passes;
  }

  config::ModelConfig config_ = tiny_shared_config();
  std::vector<TokenPair> rows_ = some_rows();
  int32_t most_passes_ = 0;
};

std::vector<double> numbers_of(const KvConvergence& kv) {
  std::vector<double> numbers = kv.changes;
  numbers.push_back(*kv.exact_distance);
  for (const std::vector<float>& changes : kv.token_changes) {
    numbers.insert(numbers.end(), changes.begin(), changes.end());
  }
  return numbers;
}

/// Those of tokens are rounded to single precision.
bool agree(const KvConvergence& a, const KvConvergence& b) {
  const std::vector<double> x = numbers_of(a), y = numbers_of(b);
  const size_t sums = b.changes.size() + 1;
  if (x.size() != y.size() || a.changes.size() != b.changes.size()) return false;
  for (size_t i = 0; i < x.size(); ++i) {
    if (!is_close(x[i], y[i], i < sums ? kRelative : 0x1p-23)) return false;
  }
  return true;
}

// A row to a batch, so that copies end after other passes and one may have nothing to do; or all in
// one.
constexpr int64_t kBatchTokens[] = {1, 4000};

TEST_F(KvConvergenceOnRanks, IsThatOfOneProcessOnEveryGrid) {
  for (const int64_t tokens : kBatchTokens) {
    for (const ForwardMode mode : {ForwardMode::iterate(5), ForwardMode::converge(1e-3)}) {
      const KvConvergence expected = measure(comm::single_process(), mode, tokens);
      EXPECT_GE(expected.changes.size(), 3u);
      const int32_t passes = most_passes_;
      for (const int tensor : tensor_extents()) {
        const comm::Communicators ranks = join_grid(config_, tensor);
        const KvConvergence found = measure(ranks, mode, tokens);
        EXPECT_TRUE(agree(found, expected))
            << to_string(ranks.grid) << ", " << mode.text() << ", " << tokens
            << " tokens: " << testing::PrintToString(found.changes) << ", expected "
            << testing::PrintToString(expected.changes);
        EXPECT_EQ(most_passes_, passes) << to_string(ranks.grid);
        EXPECT_TRUE(equal_on_all_ranks(numbers_of(found)));
      }
    }
  }
}

TEST_F(KvConvergenceOnRanks, IsWrongWithoutTheOtherCopiesOrHeads) {
  // Of fixed passes: ranks that do not agree when to end would wait for each other.
  const ForwardMode mode = ForwardMode::iterate(5);
  const KvConvergence expected = measure(comm::single_process(), mode, 1);
  for (const int tensor : tensor_extents()) {
    if (tensor < test::world().size()) {
      for (const char* const label : {"changes of K,V", "changes of tokens"}) {
        comm::Communicators ranks = join_grid(config_, tensor);
        const auto dropped = test::plant(ranks.dp, label, test::drop);
        EXPECT_FALSE(agree(measure(ranks, mode, 1), expected)) << label;
        EXPECT_GT(*dropped, 0);
      }
    }
    if (tensor == 1) continue;
    comm::Communicators ranks = join_grid(config_, tensor);
    const auto dropped = test::plant(ranks.tp, "tp change of K,V", test::drop);
    EXPECT_FALSE(agree(measure(ranks, mode, 1), expected)) << to_string(ranks.grid);
    EXPECT_GT(*dropped, 0);
  }
}

}  // namespace
}  // namespace lckv::eval
