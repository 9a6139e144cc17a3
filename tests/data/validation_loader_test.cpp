#include <thread>

#include <gmock/gmock.h>

#include "lckv/data/loader.h"
#include "loader_rows.h"
#include "test_files.h"

namespace lckv::data {
namespace {

TEST(ValidationLoader, GoesThroughTheStoreInOrderTwice) {
  const TempFolder folder;
  const std::string text = lines_of_words(20).substr(0, 437);
  ValidationLoader loader(config_for({write_store(folder.path("t.h5"), {text})}, 10), 4);
  const int64_t count = sequence_count(std::ssize(text), 10);
  ASSERT_NE(count % 4, 0);
  EXPECT_EQ(loader.sequences(), count);
  for (int round = 0; round < 2; ++round) {
    std::string seen;
    int64_t sequences = 0;
    while (const auto batch = loader.next()) {
      EXPECT_EQ(batch->first_sequence, sequences);
      sequences += batch->B;
      seen += bytes_tokenizer()->decode(batch->tokens);
      EXPECT_EQ(
          bytes_tokenizer()->decode(batch->targets),
          text.substr(static_cast<size_t>(batch->first_sequence * 10 + 1), batch->targets.size()));
    }
    EXPECT_EQ(sequences, count);
    EXPECT_EQ(seen, text.substr(0, seen.size()));
    loader.rewind();
  }
}

// The batches that `ranks` loaders take in turn, ordered by turn; rank r begins `late[r]` turns
// late.
Rows take_in_turn(const config::DataConfig& config, int64_t B, const std::vector<int64_t>& late) {
  const auto ranks = std::ssize(late);
  std::vector<Rows> taken;  // [turns]
  for (int64_t rank = 0; rank < ranks; ++rank) {
    ValidationLoader loader(config, B);
    taken.resize(static_cast<size_t>(loader.batches()));
    for (int64_t turn = 0; turn < loader.batches(); ++turn) {
      if (turn % ranks != rank || turn / ranks < late[static_cast<size_t>(rank)]) {
        loader.skip();
        continue;
      }
      const Batch batch = loader.next().value();
      EXPECT_EQ(batch.first_sequence, turn * B);
      append(batch, taken[static_cast<size_t>(turn)]);
    }
    EXPECT_FALSE(loader.next().has_value());
  }
  Rows rows;
  for (const Rows& batch : taken) rows.insert(rows.end(), batch.begin(), batch.end());
  return rows;
}

TEST(ValidationLoader, RanksThatTakeTurnsReadEveryBatchOnce) {
  const TempFolder folder;
  const auto config =
      config_for({write_store(folder.path("t.h5"), {lines_of_words(20).substr(0, 437)})}, 10);
  for (const int64_t B : {1, 4, 7, 100}) {
    const Rows expected = take_in_turn(config, B, {0});
    ASSERT_EQ(std::ssize(expected), ValidationLoader(config, B).sequences());
    for (const size_t ranks : {2u, 3u, 4u}) {
      EXPECT_EQ(take_in_turn(config, B, std::vector<int64_t>(ranks, 0)), expected) << B;
    }
  }
  EXPECT_NE(take_in_turn(config, 4, {0, 1}), take_in_turn(config, 4, {0})) << "a batch is missing";
}

TEST(ValidationLoader, SkipsToTheEndAndNoFurther) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {std::string(101, 'x')})}, 10);
  ValidationLoader loader(config, 4);
  ASSERT_EQ(loader.sequences(), 10);
  ASSERT_EQ(loader.batches(), 3);
  loader.skip();
  loader.skip();
  EXPECT_EQ(loader.next().value().B, 2) << "the last batch";
  for (int i = 0; i < 5; ++i) loader.skip();
  EXPECT_FALSE(loader.next().has_value());
  loader.rewind();
  EXPECT_EQ(loader.next().value().first_sequence, 0);
  EXPECT_EQ(ValidationLoader(config, 5).batches(), 2);
  EXPECT_EQ(ValidationLoader(config, 4, 40).batches(), 1);
}

TEST(ValidationLoader, StopsAtTheTokenLimit) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {std::string(1000, 'x')})}, 10);
  EXPECT_EQ(ValidationLoader(config, 4, 55).sequences(), 5);
  EXPECT_EQ(ValidationLoader(config, 4, 1).sequences(), 1);
  EXPECT_EQ(ValidationLoader(config, 4, 0).sequences(), 99);
  EXPECT_EQ(ValidationLoader(config, 4, 1000000).sequences(), 99);
}

TEST(ValidationLoader, RunsBesideATrainLoader) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {lines_of_words(200)})}, 16);
  TrainLoader train(config, 4);
  ValidationLoader validation(config, 4);
  const auto expected = take(train, 200);
  train.seek(0);
  std::thread other([&] {
    for (int i = 0; i < 5; ++i) {
      while (validation.next()) {
      }
      validation.rewind();
    }
  });
  EXPECT_EQ(take(train, 200), expected);
  other.join();
}

}  // namespace
}  // namespace lckv::data
