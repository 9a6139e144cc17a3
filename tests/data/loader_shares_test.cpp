#include <memory>
#include <random>

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/data/loader.h"
#include "loader_rows.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::HasSubstr;

constexpr int64_t kPerStep = 12;

std::vector<SequenceShare> equal_shares(int64_t ranks) {
  std::vector<SequenceShare> shares;
  const int64_t size = kPerStep / ranks;
  for (int64_t rank = 0; rank < ranks; ++rank) {
    shares.push_back({.per_step = kPerStep, .begin = rank * size, .end = (rank + 1) * size});
  }
  return shares;
}

// The loaders of all ranks of a data-parallel run, which take their steps side by side.
class Ranks {
 public:
  Ranks(const config::DataConfig& config, const std::vector<SequenceShare>& shares, int64_t B)
      : shares_(shares), B_(B) {
    for (const SequenceShare& share : shares) {
      loaders_.push_back(std::make_unique<TrainLoader>(config, B, share));
    }
  }

  void seek(int64_t position) {
    for (const auto& loader : loaders_) loader->seek(position);
    position_ = position;
  }

  // What the ranks get in the next steps, ordered by step, then by rank.
  Rows take_steps(int64_t steps) {
    Rows rows;
    for (int64_t step = 0; step < steps; ++step) {
      for (size_t rank = 0; rank < loaders_.size(); ++rank) take_step(rank, rows);
      position_ += kPerStep;
    }
    return rows;
  }

 private:
  void take_step(size_t rank, Rows& rows) {
    TrainLoader& loader = *loaders_[rank];
    const SequenceShare& share = shares_[rank];
    for (int64_t at = share.begin; at < share.end; at += B_) {
      EXPECT_EQ(loader.position(), position_) << "inside a step";
      const Batch batch = loader.next();
      EXPECT_EQ(batch.B, B_);
      EXPECT_EQ(batch.first_sequence, position_ + at);
      append(batch, rows);
    }
    EXPECT_EQ(loader.position(), position_ + kPerStep) << "after a step";
  }

  std::vector<SequenceShare> shares_;
  int64_t B_;
  std::vector<std::unique_ptr<TrainLoader>> loaders_;
  int64_t position_ = 0;
};

// A store of fewer sequences than 10 steps take, which no step ends with.
config::DataConfig store_of_few_steps(const TempFolder& folder) {
  return config_for({write_store(folder.path("few.h5"), {lines_of_words(60).substr(0, 1650)})}, 16);
}

Rows whole_stream(const config::DataConfig& config, int64_t sequences) {
  TrainLoader one(config, 1);
  EXPECT_LT(one.sequences_per_epoch(), 10 * kPerStep);
  EXPECT_NE(one.sequences_per_epoch() % kPerStep, 0);
  return take(one, sequences);
}

Rows part(const Rows& rows, int64_t first, int64_t count) {
  return {rows.begin() + first, rows.begin() + first + count};
}

TEST(TrainLoader, SharesOfAllRanksAreTheStreamOfOneLoader) {
  const TempFolder folder;
  const auto config = store_of_few_steps(folder);
  const Rows expected = whole_stream(config, 25 * kPerStep);
  for (const int64_t ranks : {1, 2, 3, 4}) {
    for (const int64_t B : {1, 2, 3, 4, 6, 12}) {
      if (kPerStep / ranks % B != 0) continue;
      Ranks all(config, equal_shares(ranks), B);
      EXPECT_EQ(all.take_steps(25), expected) << ranks << " ranks, batches of " << B;
    }
  }
}

TEST(TrainLoader, SharesContinueTheStreamAfterASeekAnywhere) {
  const TempFolder folder;
  const auto config = store_of_few_steps(folder);
  const Rows expected = whole_stream(config, 25 * kPerStep);
  std::mt19937 random(11);
  for (const int64_t ranks : {1, 2, 3, 4}) {
    Ranks all(config, equal_shares(ranks), kPerStep / ranks % 2 == 0 ? 2 : 1);
    for (int i = 0; i < 20; ++i) {
      const auto position = static_cast<int64_t>(random() % (22 * kPerStep));
      all.seek(position);
      ASSERT_EQ(all.take_steps(3), part(expected, position, 3 * kPerStep))
          << ranks << " ranks from " << position;
    }
  }
}

TEST(TrainLoader, TheLawOfSharesSeesAShareShiftedByOne) {
  const TempFolder folder;
  const auto config = store_of_few_steps(folder);
  const Rows expected = whole_stream(config, 2 * kPerStep);
  std::vector<SequenceShare> shares = equal_shares(3);
  ASSERT_EQ(Ranks(config, shares, 2).take_steps(2), expected);
  ++shares[1].begin;
  ++shares[1].end;
  EXPECT_NE(Ranks(config, shares, 2).take_steps(2), expected);
}

TEST(TrainLoader, SeekToItsPositionBeginsTheStepAgain) {
  const TempFolder folder;
  TrainLoader loader(store_of_few_steps(folder), 2, {.per_step = 12, .begin = 4, .end = 8});
  loader.next();
  loader.next();
  const Batch first = loader.next();
  EXPECT_EQ(first.first_sequence, 12 + 4);
  EXPECT_EQ(loader.position(), 12);
  loader.seek(loader.position());
  EXPECT_EQ(loader.next().tokens, first.tokens);
}

TEST(TrainLoader, RefusesSharesThatBatchesDoNotFill) {
  const TempFolder folder;
  const auto config = store_of_few_steps(folder);
  EXPECT_THAT(message_of<Error>([&] {
                TrainLoader(config, 3, {12, 4, 8});
              }),
              HasSubstr("batches of 3 do not divide the share [4, 8)"));
  EXPECT_THROW(TrainLoader(config, 1, {12, 8, 13}), Error);
  EXPECT_THROW(TrainLoader(config, 1, {12, 4, 4}), Error);
  EXPECT_THROW(TrainLoader(config, 1, {12, -1, 4}), Error);
  EXPECT_THROW(TrainLoader(config, 0), Error);
}

}  // namespace
}  // namespace lckv::data
