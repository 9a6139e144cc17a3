#include "lckv/eval/perplexity.h"

#include <cmath>
#include <filesystem>

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "random_store.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr int64_t kT = 12;

class Perplexity : public testing::Test {
 protected:
  Perplexity() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("lckv_perplexity_" + std::string(test->name()));
    std::filesystem::create_directories(folder_);
    data_.validation = {(folder_ / "validation.h5").string()};
    data_.sequence_tokens = kT;
  }
  ~Perplexity() override { std::filesystem::remove_all(folder_); }

  void write_store(int64_t sequences, int64_t document_tokens = 1 << 20) {
    tokens_ = write_random_store(data_.validation.front(), sequences, kT, document_tokens);
  }

  /// Sums over sequence by sequence, in the naked model.
  double sum_nll(int64_t sequences, int passes) {
    PlainScorer plain(config_, weights_.set(), kT, passes);
    double sum = 0;
    for (int64_t s = 0; s < sequences; ++s) {
      const auto all = std::span(tokens_).subspan(static_cast<size_t>(s * kT), kT + 1);
      sum += plain.nll(all.first(kT), all.last(kT));
    }
    return sum;
  }

  PerplexityResult score(int64_t B, ForwardMode mode, int64_t max_tokens = 0,
                         const std::atomic<bool>* stop = nullptr,
                         const Scorer::Progress& progress = {}) {
    Scorer::Options options{DType::kF64, B, kT, data_.document_mask, mode};
    Arena plan = Arena::planning();
    Scorer planned(plan, config_, options);
    Arena arena = Arena::allocate(plan);
    Scorer scorer(arena, config_, options);
    scorer.prepare(stream_);
    data::ValidationLoader loader(data_, B, max_tokens);
    return scorer.score(stream_, weights_.set(), loader, stop, progress);
  }

  std::filesystem::path folder_;
  config::DataConfig data_;
  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  std::vector<int32_t> tokens_;
  Stream stream_;
};

TEST_F(Perplexity, EqualsTheModelRunSequenceBySequence) {
  write_store(7);  // two whole batches of three and a last one of one
  const double expected = sum_nll(7, 4);
  const PerplexityResult result = score(3, ForwardMode::iterate(4));
  EXPECT_EQ(result.scored_tokens, 7 * kT);
  EXPECT_EQ(result.sequences, 7);
  EXPECT_EQ(result.T, kT);
  EXPECT_EQ(result.forward_mode, "iterate:4");
  EXPECT_NEAR(result.mean_nll * 7 * kT, expected, rounding_bound(expected, 10));
  EXPECT_EQ(result.perplexity, std::exp(result.mean_nll));
}

TEST_F(Perplexity, DependsOnThePassesUntilThereAreAsManyAsTokens) {
  write_store(2);
  const double exact = score(2, ForwardMode::iterate(kT)).mean_nll;
  EXPECT_EQ(exact, score(2, ForwardMode::iterate(kT + 30)).mean_nll);
  EXPECT_GT(std::abs(exact - score(2, ForwardMode::iterate(2)).mean_nll), 1e-6);
}

TEST_F(Perplexity, ScoresNoTargetAcrossDocumentsUnderTheDocumentMask) {
  write_store(4, 10);
  EXPECT_EQ(score(2, ForwardMode::iterate(2)).scored_tokens, 4 * kT);
  data_.document_mask = true;
  // Documents start at rows 10, 20, 30, 40 of the 49 tokens that are cut.
  EXPECT_EQ(score(2, ForwardMode::iterate(2)).scored_tokens, 4 * kT - 4);
}

TEST_F(Perplexity, GivesTheSameNumberEveryTimeItIsAsked) {
  write_store(3);
  Scorer::Options options{DType::kF64, 2, kT, false, ForwardMode::iterate(3)};
  Arena plan = Arena::planning();
  Scorer planned(plan, config_, options);
  Arena arena = Arena::allocate(plan);
  Scorer scorer(arena, config_, options);
  scorer.prepare(stream_);
  data::ValidationLoader loader(data_, 2);
  const double first = scorer.score(stream_, weights_.set(), loader).mean_nll;
  EXPECT_EQ(scorer.score(stream_, weights_.set(), loader).mean_nll, first);
  auto* embedding = weights_.set().embedding().data<double>();
  for (int64_t i = 0; i < weights_.set().embedding().numel(); ++i) embedding[i] *= -2;
  EXPECT_NE(scorer.score(stream_, weights_.set(), loader).mean_nll, first);
}

TEST_F(Perplexity, KeepsNoGradientsAndNoWeightsInItsMemory) {
  Arena plan = Arena::planning();
  Scorer planned(plan, config_, {DType::kF64, 2, kT, false, ForwardMode::iterate(3)});
  for (const Arena::Piece& piece : plan.pieces()) {
    EXPECT_NE(piece.kind, "weights") << piece.name;
    EXPECT_FALSE(piece.name.starts_with("d")) << piece.name;
  }
  for (const model::Cell& cell : planned.plan().cells) EXPECT_FALSE(cell.keeps_grad);
}

TEST_F(Perplexity, StopsBetweenBatches) {
  write_store(5);
  std::atomic<bool> stop = false;
  const auto stop_after_two = [&](int64_t done, int64_t total) {
    EXPECT_EQ(total, 3);
    stop = done == 2;
  };
  test::expect_refusal<Interrupted>(
      [&] { score(2, ForwardMode::iterate(1), 0, &stop, stop_after_two); },
      "stopped after 2 of 3 batches of the validation data");
}

TEST_F(Perplexity, ScoresNoMoreThanTheTokensAskedFor) {
  write_store(5);
  EXPECT_EQ(score(2, ForwardMode::iterate(1), 3 * kT).scored_tokens, 3 * kT);
}

TEST_F(Perplexity, RunsAFixedNumberOfPassesAlone) {
  for (const ForwardMode mode : {ForwardMode::sequential(), ForwardMode::converge(1e-3)}) {
    test::expect_refusal<InternalError>([&] { score(2, mode); }, mode.text());
  }
}

TEST_F(Perplexity, RefusesAStoreOfALargerVocabulary) {
  write_store(2);
  config_.vocab_size = 257;
  test::expect_refusal<DataError>([&] { score(2, ForwardMode::iterate(1)); },
                                  "its tokenizer has 258 tokens, the model's vocabulary 257");
}

}  // namespace
}  // namespace lckv::eval
