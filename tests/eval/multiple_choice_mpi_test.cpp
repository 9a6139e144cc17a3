#include "five_questions.h"
#include "grids.h"
#include "lckv/base/error.h"
#include "lckv/eval/multiple_choice.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/test_support/refusal.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr int kPasses = 4;
constexpr double kVisits = 10;  // of layers: two straight ones, two iterated four times

class QuestionsOnRanks : public testing::Test {
 protected:
  MultipleChoiceResult answer(const comm::Communicators& ranks, DType dtype, int64_t rows,
                              const std::atomic<bool>* stop = nullptr) {
    const TinyWeights weights(config_, dtype, share_of(ranks));
    MultipleChoiceOptions options;
    options.batch_rows = rows;
    options.mode = ForwardMode::iterate(kPasses);
    options.ranks = &ranks;
    Stream stream;
    return answer_questions(stream, config_, weights.set(), *tokenizer_, questions_, options, stop);
  }

  std::vector<double> scores(const comm::Communicators& ranks, DType dtype, int64_t rows) {
    std::vector<double> all;
    for (const Answer& one : answer(ranks, dtype, rows).answers) {
      all.insert(all.end(), one.scores.begin(), one.scores.end());
    }
    return all;
  }

  config::ModelConfig config_ = tiny_shared_config();
  std::shared_ptr<const data::Tokenizer> tokenizer_ = data::bytes_tokenizer();
  std::vector<Question> questions_ = five_questions();
};

bool agree(const std::vector<double>& scores, const std::vector<double>& expected, DType dtype) {
  const double relative = dtype == DType::kF64 ? 1e-9 : rounding_bound(1, kVisits, 0x1p-24);
  return std::equal(scores.begin(), scores.end(), expected.begin(), expected.end(),
                    [&](double a, double b) { return is_close(a, b, relative); });
}

// Eleven rows are 11, 4, 3 and 1 batches: they divide among two or four copies, leave a rest, or are
// too few.
constexpr int64_t kBatchRows[] = {1, 3, 4, 11};

TEST_F(QuestionsOnRanks, ScoresEqualOneProcessOnEveryGrid) {
  for (const int64_t rows : kBatchRows) {
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const std::vector<double> expected = scores(comm::single_process(), dtype, rows);
      EXPECT_EQ(expected.size(), 11u);
      for (const int tensor : tensor_extents()) {
        const comm::Communicators ranks = join_grid(config_, tensor);
        const std::vector<double> result = scores(ranks, dtype, rows);
        EXPECT_TRUE(agree(result, expected, dtype))
            << to_string(ranks.grid) << ", " << rows << " rows, " << name(dtype) << ": "
            << testing::PrintToString(result) << ", expected " << testing::PrintToString(expected);
        EXPECT_TRUE(equal_on_all_ranks(result));
      }
    }
  }
}

TEST_F(QuestionsOnRanks, ScoresHaveTheSameBitsForEveryNumberOfCopies) {
  for (const int64_t rows : kBatchRows) {
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
      for (const int tensor : tensor_extents()) {
        const std::vector<double> expected =
            tensor == 1 ? scores(comm::single_process(), dtype, rows)
                        : scores(join_one_copy(config_, tensor), dtype, rows);
        EXPECT_EQ(scores(join_grid(config_, tensor), dtype, rows), expected)
            << tensor << " " << name(dtype);
      }
    }
  }
}

TEST_F(QuestionsOnRanks, PicksAndCountsEqualOneProcess) {
  const MultipleChoiceResult expected = answer(comm::single_process(), DType::kF64, 2);
  for (const int tensor : tensor_extents()) {
    const MultipleChoiceResult result = answer(join_grid(config_, tensor), DType::kF64, 2);
    EXPECT_EQ(result.all.acc, expected.all.acc);
    EXPECT_EQ(result.all.acc_norm, expected.all.acc_norm);
    EXPECT_EQ(result.by_kind.size(), expected.by_kind.size());
  }
}

TEST_F(QuestionsOnRanks, ScoresAreWrongWithoutTheSumOverCopies) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const std::vector<double> expected = scores(comm::single_process(), dtype, 2);
    for (const int tensor : tensor_extents()) {
      if (tensor == test::world().size()) continue;  // one copy
      comm::Communicators ranks = join_grid(config_, tensor);
      const auto dropped = test::plant(ranks.dp, "continuation scores", test::drop);
      EXPECT_FALSE(agree(scores(ranks, dtype, 2), expected, dtype)) << to_string(ranks.grid);
      EXPECT_EQ(*dropped, 1);
    }
  }
}

TEST_F(QuestionsOnRanks, ScoresAreWrongWithoutTheOtherRanksLogits) {
  for (const DType dtype : {DType::kF64, DType::kF32}) {
    const std::vector<double> expected = scores(comm::single_process(), dtype, 2);
    for (const int tensor : tensor_extents()) {
      if (tensor == 1) continue;
      comm::Communicators ranks = join_grid(config_, tensor);
      const auto dropped = test::plant(ranks.tp, "tp loss", test::drop);
      // A rank that misses the others' logits may find no finite score: then it says so.
      bool agreed = false;
      try {
        agreed = agree(scores(ranks, dtype, 2), expected, dtype);
      } catch (const DataError&) {
      }
      EXPECT_FALSE(agreed) << to_string(ranks.grid);
      EXPECT_GT(*dropped, 0);
    }
  }
}

TEST_F(QuestionsOnRanks, StopOnAllBeforeTheSameBatchesWhenOneIsStopped) {
  const bool told = test::world().rank() == test::world().size() - 1;
  for (const int tensor : tensor_extents()) {
    comm::Communicators ranks = join_grid(config_, tensor);
    std::atomic<bool> stop = told;
    test::expect_refusal<Interrupted>([&] { answer(ranks, DType::kF64, 1, &stop); },
                                      "stopped after 0 of 11 continuations");
    // The signal arrives while the ranks agree for the second time that there is none.
    stop = false;
    int looks = 0;
    test::plant(ranks.world, "stop",
                [&](const comm::Communicator&, const comm::Collective&, const auto& proceed) {
                  if (++looks == 2) stop = told;
                  proceed();
                });
    test::expect_refusal<Interrupted>(
        [&] { answer(ranks, DType::kF64, 1, &stop); },
        format("stopped after {} of 11 continuations", 2 * ranks.grid.dp));
  }
}

}  // namespace
}  // namespace lckv::eval
