#include "five_questions.h"
#include "grids.h"
#include "lckv/base/error.h"
#include "lckv/mpi_test/intercepted.h"
#include "lckv/test_support/refusal.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

constexpr int kPasses = 4;
constexpr double kVisits = 10;  // of layers: two straight ones, two iterated four times

class QuestionsOnRanks : public testing::Test {
 protected:
  TaskResult answer(const comm::Communicators& ranks, DType dtype, int64_t tokens,
                    const std::atomic<bool>* stop = nullptr) {
    const TinyWeights weights(config_, dtype, share_of(ranks));
    Stream stream;
    return answer_questions(
        stream, config_, weights.set(), questions_,
        {.mode = ForwardMode::iterate(kPasses), .batch_tokens = tokens, .ranks = &ranks},
        Compat::kLmEvalHead, stop);
  }

  std::vector<double> scores(const comm::Communicators& ranks, DType dtype, int64_t tokens) {
    std::vector<double> all;
    for (const Sample& sample : answer(ranks, dtype, tokens).samples) {
      for (const RequestScore& score : sample.scores) all.push_back(score.ll);
    }
    return all;
  }

  config::ModelConfig config_ = tiny_shared_config();
  std::vector<Document> questions_ = five_questions();
};

bool agree(const std::vector<double>& scores, const std::vector<double>& expected, DType dtype) {
  const double relative = dtype == DType::kF64 ? 1e-9 : rounding_bound(1, kVisits, 0x1p-24);
  return std::equal(scores.begin(), scores.end(), expected.begin(), expected.end(),
                    [&](double a, double b) { return is_close(a, b, relative); });
}

// Eleven rows, each a batch of its own, or a few in a batch, or all in one: they divide among two
// or four copies, leave a rest, or are too few.
constexpr int64_t kBatchTokens[] = {1, 50, 90, 1000};

TEST_F(QuestionsOnRanks, ScoresEqualOneProcessOnEveryGrid) {
  for (const int64_t tokens : kBatchTokens) {
    for (const DType dtype : {DType::kF64, DType::kF32}) {
      const std::vector<double> expected = scores(comm::single_process(), dtype, tokens);
      EXPECT_EQ(expected.size(), 11u);
      for (const int tensor : tensor_extents()) {
        const comm::Communicators ranks = join_grid(config_, tensor);
        const std::vector<double> result = scores(ranks, dtype, tokens);
        EXPECT_TRUE(agree(result, expected, dtype))
            << to_string(ranks.grid) << ", " << tokens << " tokens, " << name(dtype) << ": "
            << testing::PrintToString(result) << ", expected " << testing::PrintToString(expected);
        EXPECT_TRUE(equal_on_all_ranks(result));
      }
    }
  }
}

TEST_F(QuestionsOnRanks, ScoresHaveTheSameBitsForEveryNumberOfCopies) {
  for (const int64_t tokens : kBatchTokens) {
    for (const DType dtype : {DType::kF64, DType::kF32, DType::kBF16}) {
      for (const int tensor : tensor_extents()) {
        const std::vector<double> expected =
            tensor == 1 ? scores(comm::single_process(), dtype, tokens)
                        : scores(join_one_copy(config_, tensor), dtype, tokens);
        EXPECT_EQ(scores(join_grid(config_, tensor), dtype, tokens), expected)
            << tensor << " " << name(dtype);
      }
    }
  }
}

TEST_F(QuestionsOnRanks, PicksAndCountsEqualOneProcess) {
  const TaskResult expected = answer(comm::single_process(), DType::kF64, 2);
  for (const int tensor : tensor_extents()) {
    const TaskResult result = answer(join_grid(config_, tensor), DType::kF64, 2);
    EXPECT_EQ(accuracy(result, 0), accuracy(expected, 0));
    EXPECT_EQ(accuracy(result, 1), accuracy(expected, 1));
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
      const auto dropped = test::plant(ranks.tp, "tp logits", test::drop);
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
                                      "stopped after 0 of 11 batches of continuations");
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
        format("stopped after {} of 11 batches of continuations", 2 * ranks.grid.dp));
  }
}

}  // namespace
}  // namespace lckv::eval
