#include "lckv/eval/perplexity_rows.h"

#include <cmath>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/eval/score_rows.h"
#include "lckv/test_support/refusal.h"
#include "random_store.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

using testing::ElementsAre;
using Kind = PerplexityMode::Kind;

constexpr int64_t kT = 12;
constexpr double kVisits = 60;  // of layers, at most, in these tests

class PerplexityRows : public testing::Test {
 protected:
  PerplexityRows() {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = std::filesystem::path(testing::TempDir()) /
              ("lckv_perplexity_rows_" + std::string(test->name()));
    std::filesystem::create_directories(folder_);
    data_.validation = {(folder_ / "validation.h5").string()};
    data_.sequence_tokens = kT;
  }
  ~PerplexityRows() override { std::filesystem::remove_all(folder_); }

  void write_store(int64_t sequences, int64_t document_tokens) {
    write_random_store(data_.validation.front(), sequences, kT, document_tokens);
  }

  PerplexityResult by_network(int64_t B, int64_t passes) {
    const Scorer::Options options{DType::kF64, B, kT, data_.document_mask,
                                  ForwardMode::iterate(passes)};
    Arena plan = Arena::planning();
    const Scorer planned(plan, config_, options);
    Arena arena = Arena::allocate(plan);
    Scorer scorer(arena, config_, options);
    scorer.prepare(stream_);
    data::ValidationLoader loader(data_, B);
    return scorer.score(stream_, weights_.set(), loader);
  }

  PerplexityResult by_rows(int64_t B, const ForwardMode& mode, int64_t part_tokens = 50,
                           const std::atomic<bool>* stop = nullptr) {
    RowScorer scorer(config_, weights_.set(), {.mode = mode, .batch_tokens = 30});
    data::ValidationLoader loader(data_, B);
    return perplexity_by_rows(stream_, scorer, comm::single_process(), config_.vocab_size, loader,
                              part_tokens, stop);
  }

  std::filesystem::path folder_;
  config::DataConfig data_;
  config::ModelConfig config_ = tiny_config();
  TinyWeights weights_{config_};
  Stream stream_;
};

// A store whose last batch is ragged, in documents that end inside of sequences, between two of
// them (every 12 tokens), or after a single token.
constexpr int64_t kDocumentTokens[] = {10, 12, 1 << 20, 1};

TEST_F(PerplexityRows, GiveTheNumbersOfTheNetworkInEveryForwardMode) {
  for (const int64_t document_tokens : kDocumentTokens) {
    std::filesystem::remove(data_.validation.front());
    write_store(7, document_tokens);
    for (const bool mask : {false, true}) {
      data_.document_mask = mask;
      if (mask && document_tokens == 1) continue;  // nothing is scored
      const PerplexityResult exact = by_network(3, kT);
      const double bound = rounding_bound(exact.mean_nll, kVisits);
      for (const ForwardMode mode :
           {ForwardMode::iterate(kT), ForwardMode::sequential(), ForwardMode::converge(1e-15)}) {
        const PerplexityResult rows = by_rows(3, mode);
        EXPECT_EQ(rows.scored_tokens, exact.scored_tokens);
        EXPECT_EQ(rows.sequences, 7);
        EXPECT_NEAR(rows.mean_nll, exact.mean_nll, 10 * bound) << mode.text() << " mask " << mask;
        EXPECT_EQ(rows.perplexity, std::exp(rows.mean_nll));
      }
      EXPECT_NEAR(by_rows(3, ForwardMode::iterate(2)).mean_nll, by_network(3, 2).mean_nll, bound);
    }
  }
}

TEST_F(PerplexityRows, OfFewerPassesAreAnotherNumber) {
  write_store(7, 10);
  data_.document_mask = true;
  const double exact = by_rows(3, ForwardMode::sequential()).mean_nll;
  const double few = by_rows(3, ForwardMode::iterate(2)).mean_nll;
  EXPECT_GT(std::abs(few - exact), 1e3 * rounding_bound(exact, kVisits));
}

TEST_F(PerplexityRows, AreWrongWhereDocumentsSeeEachOther) {
  write_store(7, 10);
  data_.document_mask = true;
  const PerplexityResult masked = by_network(3, kT);
  data_.document_mask = false;
  EXPECT_GT(std::abs(by_rows(3, ForwardMode::sequential()).mean_nll - masked.mean_nll), 1e-6);
}

TEST_F(PerplexityRows, DoNotDependOnTheParts) {
  write_store(7, 10);
  data_.document_mask = true;
  const double expected = by_rows(3, ForwardMode::iterate(4), 1).mean_nll;
  for (const int64_t part_tokens : {20, 40, 1000}) {
    EXPECT_NEAR(by_rows(2, ForwardMode::iterate(4), part_tokens).mean_nll, expected,
                rounding_bound(expected, kVisits));
  }
}

TEST(PerplexityError, IsThatOfLlamacpp) {
  // x = 1, 2, 3: E[x] = 2, E[x^2] = 14/3, e^2 sqrt((2/3) / 2). The difference of the two rounds by
  // 33 units of itself or less, its root by half of that, exp() and the products by a few more.
  const double expected = std::exp(2.0) / std::sqrt(3.0);
  EXPECT_NEAR(perplexity_stderr(6, 14, 3).value(), expected, 24 * 0x1p-53 * expected);
  EXPECT_EQ(perplexity_stderr(4, 8, 2), 0.0);
  EXPECT_EQ(perplexity_stderr(3, 9, 1), std::nullopt);
  EXPECT_EQ(perplexity_stderr(2, 2 - 0x1p-50, 2), 0.0) << "a rounding below zero";
}

TEST_F(PerplexityRows, HaveTheErrorOfTheirTokensApart) {
  const CounterRng rng(5, 1);
  std::vector<TokenPair> rows(3);
  std::vector<double> x;  // of every scored token, by a model that is asked for it alone
  PlainScorer plain(config_, weights_.set(), kT, 4);
  for (size_t r = 0; r < rows.size(); ++r) {
    for (uint64_t t = 0; t <= kT; ++t) {
      rows[r].tokens.push_back(static_cast<int32_t>(rng.below(r * (kT + 1) + t, 258)));
    }
    rows[r].scored = 5;
    for (size_t at = kT - 5; at < kT; ++at) {
      std::vector<int32_t> targets(kT, -1);
      targets[at] = rows[r].tokens[at + 1];
      x.push_back(plain.nll(std::span(rows[r].tokens).first(kT), targets));
    }
  }
  const auto n = static_cast<double>(x.size());
  double mean = 0, variance = 0;
  for (const double nll : x) mean += nll / n;
  for (const double nll : x) variance += (nll - mean) * (nll - mean) / n;
  RowScorer scorer(config_, weights_.set(), {.mode = ForwardMode::iterate(4), .batch_tokens = 30});
  const PerplexityResult result = perplexity_of_rows(stream_, scorer, rows, 20);
  ASSERT_EQ(result.scored_tokens, 15);
  const double expected = std::exp(mean) * std::sqrt(variance / (n - 1));
  // Relatively: exp() by the error of the mean, the root by half of the variance's.
  const double bound = rounding_bound(1, kVisits);
  const double relative = bound * mean + 2 * bound * (variance + mean * mean) / variance;
  EXPECT_NEAR(result.perplexity_stderr.value(), expected, relative * expected);
}

TEST_F(PerplexityRows, StopBetweenParts) {
  write_store(7, 10);
  const std::atomic<bool> stop = true;
  test::expect_refusal<Interrupted>([&] { by_rows(2, ForwardMode::iterate(1), 20, &stop); },
                                    "stopped after 0 of 4 batches of the validation data");
}

TEST_F(PerplexityRows, RefuseAStoreOfALargerVocabulary) {
  write_store(2, 10);
  config_.vocab_size = 257;
  test::expect_refusal<DataError>([&] { by_rows(2, ForwardMode::iterate(1)); },
                                  "its tokenizer has 258 tokens, the model's vocabulary 257");
}

TokenText three_documents(std::optional<int32_t> bos) {
  TokenText text;
  text.tokens = {9, 1, 2, 3, 9, 9, 4, 5};
  text.document_starts = {0, 4, 5};
  text.bos = bos;
  text.eos = 8;
  return text;
}

TEST(WindowRows, OfRollingModeScoreEveryTokenOfADocumentButItsBos) {
  const auto rows = rows_of(three_documents(9), {Kind::kRolling}, 2);
  EXPECT_THAT(
      rows, ElementsAre(TokenPair{{9, 1, 2}, 2}, TokenPair{{1, 2, 3}, 1}, TokenPair{{9, 4, 5}, 2}));
}

TEST(WindowRows, OfRollingModePutEosInFrontWhereThereIsNoBos) {
  TokenText text = three_documents(std::nullopt);
  EXPECT_EQ(rows_of(text, {Kind::kRolling}, 4).front(), (TokenPair{{8, 9, 1, 2, 3}, 4}));
  text.eos.reset();
  test::expect_refusal<DataError>([&] { rows_of(text, {Kind::kRolling}, 4); },
                                  "neither BOS nor EOS");
}

TEST(WindowRows, OfOtherModesGoAcrossDocuments) {
  const TokenText text = three_documents(9);
  EXPECT_EQ(rows_of(text, {Kind::kSliding, 2}, 4).front(), (TokenPair{{9, 1, 2, 3}, 3}));
  EXPECT_EQ(rows_of(text, {Kind::kLlamacpp}, 4).back(), (TokenPair{{9, 9, 4, 5}, 1}));
  EXPECT_THAT(rows_of(text, {Kind::kBlocks}, 3),
              ElementsAre(TokenPair{{9, 1, 2}, 2}, TokenPair{{3, 9, 9}, 2}));
  test::expect_refusal<DataError>(
      [&] { rows_of(three_documents(std::nullopt), {Kind::kLlamacpp}, 4); }, "no BOS");
}

TEST(WindowRows, NeedATextAndAStrideThatLeaveSomethingToScore) {
  const TokenText text = three_documents(9);
  test::expect_refusal<ConfigError>(
      [&] {
        rows_of(text, {Kind::kSliding, 5}, 4);
      },
      "sliding:5: a stride is at most T = 4");
  test::expect_refusal<ConfigError>([&] { rows_of(text, {Kind::kBlocks}, 1); },
                                    "blocks of T = 1 tokens, expected at least 2");
  test::expect_refusal<ConfigError>([&] { rows_of(text, {Kind::kLlamacpp}, 3); },
                                    "blocks of T = 3 tokens, expected at least 4");
}

TEST(PerplexityModes, AreReadAsTheyAreWritten) {
  for (const char* text : {"nonoverlap", "blocks", "rolling", "sliding:256", "llamacpp"}) {
    EXPECT_EQ(parse_perplexity_mode(text).text(), text);
  }
  for (const char* text : {"", "rolling:2", "sliding", "sliding:", "sliding:0", "sliding:-1",
                           "sliding:2x", "sliding:99999999999999999999", "block"}) {
    test::expect_refusal<ConfigError>([&] { parse_perplexity_mode(text); }, "expected nonoverlap");
  }
}

TEST_F(PerplexityRows, OfATextFileAreThoseOfItsStore) {
  const std::string path = (folder_ / "a.jsonl").string();
  std::ofstream(path) << R"({"text": "one"})"
                      << "\n"
                      << R"({"text": "zwölf"})"
                      << "\n";
  EXPECT_TRUE(is_text(path));
  EXPECT_TRUE(is_text("a.txt.gz"));
  EXPECT_TRUE(is_text(folder_.string()));
  EXPECT_FALSE(is_text("a.h5"));
  const TokenText text = encode_text_files(path, *data::bytes_tokenizer(), 0);
  EXPECT_THAT(text.document_starts, ElementsAre(0, 4));
  EXPECT_EQ(text.tokens.size(), 11u);
  EXPECT_EQ(text.tokens[4], *text.bos);
  data::TokenStoreWriter writer(data_.validation.front(), *data::bytes_tokenizer());
  writer.begin_document();
  writer.append(std::span(text.tokens).first(4));
  writer.begin_document();
  writer.append(std::span(text.tokens).subspan(4));
  writer.commit();
  const TokenText stored = read_token_store(data_.validation.front(), 0);
  EXPECT_EQ(stored.tokens, text.tokens);
  EXPECT_EQ(stored.document_starts, text.document_starts);
  EXPECT_EQ(stored.bos, text.bos);
  EXPECT_EQ(read_token_store(data_.validation.front(), 4).document_starts.size(), 1u);
  EXPECT_EQ(encode_text_files(path, *data::bytes_tokenizer(), 6).tokens.size(), 6u);
}

}  // namespace
}  // namespace lckv::eval
