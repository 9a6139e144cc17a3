#include <filesystem>

#include "grids.h"
#include "lckv/base/error.h"
#include "lckv/eval/perplexity.h"
#include "lckv/eval/score_rows.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/test_support/refusal.h"
#include "random_store.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr int64_t kT = 12;
constexpr int kPasses = 4;
constexpr double kVisits = 10;  // of layers: two straight ones, two iterated four times

class PerplexityOnRanks : public testing::Test {
 protected:
  PerplexityOnRanks() : folder_(rank_folder()) {
    data_.validation = {(folder_ / "validation.h5").string()};
    data_.sequence_tokens = kT;
    data_.document_mask = true;
  }
  ~PerplexityOnRanks() override { std::filesystem::remove_all(folder_); }

  void write_store(int64_t sequences) {
    std::filesystem::remove(data_.validation.front());
    write_random_store(data_.validation.front(), sequences, kT, /*document_tokens=*/10);
  }

  PerplexityResult score(const comm::Communicators& ranks, DType dtype, int64_t B,
                         const std::atomic<bool>* stop = nullptr,
                         const Scorer::Progress& progress = {}) {
    const TinyWeights weights(config_, dtype, share_of(ranks));
    Scorer::Options options{dtype, B, kT, data_.document_mask, ForwardMode::iterate(kPasses)};
    options.ranks = &ranks;
    Arena plan = Arena::planning();
    const Scorer planned(plan, config_, options);
    Arena arena = Arena::allocate(plan);
    Scorer scorer(arena, config_, options);
    Stream stream;
    scorer.prepare(stream);
    data::ValidationLoader loader(data_, B);
    return scorer.score(stream, weights.set(), loader, stop, progress);
  }

  PerplexityResult by_rows(const comm::Communicators& ranks, DType dtype, int64_t B,
                           const ForwardMode& mode) {
    const TinyWeights weights(config_, dtype, share_of(ranks));
    Stream stream;
    RowScorer scorer(config_, weights.set(), {.mode = mode, .batch_tokens = 30, .ranks = &ranks});
    data::ValidationLoader loader(data_, B);
    const auto result = perplexity_by_rows(stream, scorer, ranks, config_.vocab_size, loader,
                                           /*part_tokens=*/50);
    computed_tokens_ = total_work(stream, ranks, scorer.work()).computed_tokens;
    return result;
  }

  int64_t computed_tokens_ = 0;  // by all copies, in by_rows()
  std::filesystem::path folder_;
  config::DataConfig data_;
  config::ModelConfig config_ = tiny_shared_config();
};

double tolerance(DType dtype) {
  return dtype == DType::kF64 ? 1e-9 : rounding_bound(1, kVisits, 0x1p-24);
}

bool agrees(const PerplexityResult& result, const PerplexityResult& expected, DType dtype) {
  return result.scored_tokens == expected.scored_tokens && result.sequences == expected.sequences &&
         is_close(result.mean_nll, expected.mean_nll, tolerance(dtype)) &&
         is_close(result.perplexity, expected.perplexity,
                  tolerance(dtype) * (1 + expected.mean_nll));
}

/// perplexity_stderr() is a root of what is left of E[x^2] after E[x]^2: it carries half of what
/// that difference rounds, relatively.
bool errors_agree(const PerplexityResult& result, const PerplexityResult& expected) {
  if (!result.perplexity_stderr || !expected.perplexity_stderr) return false;
  const double ratio = *expected.perplexity_stderr / expected.perplexity;
  const double variance = ratio * ratio * static_cast<double>(expected.scored_tokens - 1);
  const double mean = expected.mean_nll;
  const double conditioning = 2 * (variance + mean * mean) / variance;
  return is_close(*result.perplexity_stderr, *expected.perplexity_stderr,
                  tolerance(DType::kF64) * (1 + mean + conditioning));
}

struct Size {
  int64_t sequences, B;
};
// 3, 1, 8 and 2 batches: they divide among two or four copies, leave a rest, or are too few.
constexpr Size kSizes[] = {{7, 3}, {1, 2}, {8, 1}, {4, 2}};

TEST_F(PerplexityOnRanks, EqualsOneProcessOnEveryGrid) {
  for (const Size& size : kSizes) {
    write_store(size.sequences);
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const PerplexityResult expected = score(comm::single_process(), dtype, size.B);
      for (const int tensor : tensor_extents()) {
        const comm::Communicators ranks = join_grid(config_, tensor);
        const PerplexityResult result = score(ranks, dtype, size.B);
        EXPECT_TRUE(agrees(result, expected, dtype))
            << to_string(ranks.grid) << ", " << size.sequences << " sequences, " << name(dtype)
            << ": " << result.mean_nll << " over " << result.scored_tokens << ", expected "
            << expected.mean_nll << " over " << expected.scored_tokens;
        EXPECT_TRUE(equal_on_all_ranks(std::vector{result.mean_nll, result.perplexity}));
      }
    }
  }
}

TEST_F(PerplexityOnRanks, HasTheSameBitsForEveryNumberOfCopies) {
  for (const Size& size : kSizes) {
    write_store(size.sequences);
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
      for (const int tensor : tensor_extents()) {
        const PerplexityResult expected =
            tensor == 1 ? score(comm::single_process(), dtype, size.B)
                        : score(join_one_copy(config_, tensor), dtype, size.B);
        const PerplexityResult result = score(join_grid(config_, tensor), dtype, size.B);
        EXPECT_EQ(result.mean_nll, expected.mean_nll) << tensor << " " << name(dtype);
        EXPECT_EQ(result.scored_tokens, expected.scored_tokens);
      }
    }
  }
}

TEST_F(PerplexityOnRanks, IsWrongWithoutTheSumOverCopies) {
  write_store(7);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const PerplexityResult expected = score(comm::single_process(), dtype, 1);
    for (const int tensor : tensor_extents()) {
      if (tensor == test::world().size()) continue;  // one copy
      for (const char* label : {"validation loss", "validation tokens"}) {
        comm::Communicators ranks = join_grid(config_, tensor);
        const auto dropped = test::plant(ranks.dp, label, test::drop);
        EXPECT_FALSE(agrees(score(ranks, dtype, 1), expected, dtype)) << label;
        EXPECT_EQ(*dropped, 1);
      }
    }
  }
}

TEST_F(PerplexityOnRanks, IsWrongWithoutTheOtherRanksLogits) {
  write_store(7);
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const PerplexityResult expected = score(comm::single_process(), dtype, 1);
    for (const int tensor : tensor_extents()) {
      if (tensor == 1) continue;
      comm::Communicators ranks = join_grid(config_, tensor);
      const auto dropped = test::plant(ranks.tp, "tp loss", test::drop);
      EXPECT_FALSE(agrees(score(ranks, dtype, 1), expected, dtype)) << to_string(ranks.grid);
      EXPECT_GT(*dropped, 0);
    }
  }
}

TEST_F(PerplexityOnRanks, OfRowsEqualsOneProcessInEveryForwardMode) {
  for (const Size& size : kSizes) {
    write_store(size.sequences);
    for (const ForwardMode mode :
         {ForwardMode::iterate(kPasses), ForwardMode::sequential(), ForwardMode::converge(1e-15)}) {
      const PerplexityResult expected = by_rows(comm::single_process(), DType::kF64, size.B, mode);
      const int64_t computed = computed_tokens_;
      for (const int tensor : tensor_extents()) {
        const comm::Communicators ranks = join_grid(config_, tensor);
        const PerplexityResult result = by_rows(ranks, DType::kF64, size.B, mode);
        EXPECT_TRUE(agrees(result, expected, DType::kF64))
            << to_string(ranks.grid) << " " << mode.text() << ": " << result.mean_nll
            << ", expected " << expected.mean_nll;
        EXPECT_TRUE(errors_agree(result, expected)) << to_string(ranks.grid) << " " << mode.text();
        EXPECT_EQ(computed_tokens_, computed);
        EXPECT_TRUE(equal_on_all_ranks(std::vector{result.mean_nll, result.perplexity,
                                                   result.perplexity_stderr.value_or(-1)}));
      }
    }
  }
}

TEST_F(PerplexityOnRanks, OfRowsIsThatOfTheNetwork) {
  write_store(7);
  for (const int tensor : tensor_extents()) {
    const comm::Communicators ranks = join_grid(config_, tensor);
    EXPECT_TRUE(agrees(by_rows(ranks, DType::kF64, 3, ForwardMode::iterate(kPasses)),
                       score(ranks, DType::kF64, 3), DType::kF64));
    comm::Communicators faulty = join_grid(config_, tensor);
    if (tensor == test::world().size()) continue;  // one copy
    test::plant(faulty.dp, "continuation scores", test::drop);
    EXPECT_FALSE(agrees(by_rows(faulty, DType::kF64, 3, ForwardMode::iterate(kPasses)),
                        score(ranks, DType::kF64, 3), DType::kF64));
  }
}

TEST_F(PerplexityOnRanks, StopsOnAllWhenOneIsStopped) {
  write_store(9);
  const bool told = test::world().rank() == test::world().size() - 1;
  for (const int tensor : tensor_extents()) {
    const comm::Communicators ranks = join_grid(config_, tensor);
    std::atomic<bool> stop = told;
    test::expect_refusal<Interrupted>([&] { score(ranks, DType::kF64, 1, &stop); },
                                      "stopped after 0 of 9 batches");
    stop = false;
    const auto stop_after_first = [&](int64_t done, int64_t total) {
      EXPECT_EQ(total, 9);
      if (told && done >= 1) stop = true;
    };
    test::expect_refusal<Interrupted>(
        [&] { score(ranks, DType::kF64, 1, &stop, stop_after_first); },
        format("stopped after {} of 9 batches", ranks.grid.dp));
  }
}

}  // namespace
}  // namespace lckv::eval
