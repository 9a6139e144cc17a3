#include "lckv/data/loader.h"

#include <random>
#include <set>
#include <thread>

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "lckv/data/token_corpus.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

config::DataConfig config_for(const std::vector<std::string>& stores, int64_t T) {
  config::DataConfig config;
  config.train = stores;
  config.validation = stores;
  config.sequence_tokens = T;
  config.prefetch_batches = 2;
  return config;
}

using Rows = std::vector<std::vector<int32_t>>;

// Adds the batch's sequences, each as inputs followed by targets.
void append(const Batch& batch, Rows& rows) {
  for (int64_t b = 0; b < batch.B; ++b) {
    std::vector<int32_t> row(batch.tokens.begin() + b * batch.T,
                             batch.tokens.begin() + (b + 1) * batch.T);
    row.insert(row.end(), batch.targets.begin() + b * batch.T,
               batch.targets.begin() + (b + 1) * batch.T);
    rows.push_back(std::move(row));
  }
}

// The next `sequences` sequences.
Rows take(TrainLoader& loader, int64_t sequences) {
  Rows rows;
  while (std::ssize(rows) < sequences) {
    const int64_t position = loader.position();
    const Batch batch = loader.next();
    EXPECT_EQ(batch.first_sequence, position);
    append(batch, rows);
  }
  rows.resize(static_cast<size_t>(sequences));
  return rows;
}

TEST(SequenceCount, NeedsOneTokenMoreThanTheInputs) {
  EXPECT_EQ(sequence_count(0, 8), 0);
  EXPECT_EQ(sequence_count(8, 8), 0);
  EXPECT_EQ(sequence_count(9, 8), 1);
  EXPECT_EQ(sequence_count(16, 8), 1);
  EXPECT_EQ(sequence_count(17, 8), 2);
}

TEST(TokenCorpus, ReadsSeveralStoresAsOne) {
  const TempFolder folder;
  const std::vector<std::string> parts = {"abc", "defgh", "i", "jklmnopq"};
  std::vector<std::string> paths;
  for (size_t i = 0; i < parts.size(); ++i) {
    paths.push_back(write_store(folder.path(std::to_string(i) + ".h5"),
                                {parts[i].substr(0, 1), parts[i].substr(1)}));
  }
  const TokenCorpus corpus(paths);
  const std::string all = "abcdefghijklmnopq";
  ASSERT_EQ(corpus.token_count(), std::ssize(all));
  for (int64_t first = 0; first <= corpus.token_count(); ++first) {
    for (int64_t end = first; end <= corpus.token_count(); ++end) {
      std::vector<int32_t> ids(static_cast<size_t>(end - first));
      corpus.read(first, ids);
      ASSERT_EQ(bytes_tokenizer()->decode(ids), all.substr(static_cast<size_t>(first), ids.size()));
    }
  }
  EXPECT_THAT(corpus.document_starts(0, 17), ElementsAre(0, 1, 3, 4, 8, 9, 9, 10))
      << "an empty document at 9";
  EXPECT_THAT(corpus.document_starts(1, 9), ElementsAre(1, 3, 4, 8));
  EXPECT_THAT(corpus.document_starts(5, 8), ElementsAre());
}

TEST(TokenCorpus, RefusesStoresOfDifferentTokenizers) {
  const TempFolder folder;
  const std::string a = write_store(folder.path("a.h5"), {"text"});
  class Other : public Tokenizer {
    const std::shared_ptr<const Tokenizer> base_ = bytes_tokenizer();
    std::string kind() const override { return "bytes"; }
    std::string sha256() const override { return "other"; }
    std::string_view model_bytes() const override { return {}; }
    int32_t vocab_size() const override { return 258; }
    std::optional<int32_t> bos_id() const override { return {}; }
    std::optional<int32_t> eos_id() const override { return {}; }
    std::vector<int32_t> encode(std::string_view text) const override {
      return base_->encode(text);
    }
    std::vector<int32_t> encode_after_newline(std::string_view text) const override {
      return encode(text);
    }
    bool can_split_at_newline() const override { return true; }
    std::string decode(std::span<const int32_t> ids) const override { return base_->decode(ids); }
    std::string piece(int32_t id) const override { return base_->piece(id); }
  };
  {
    TokenStoreWriter writer(folder.path("b.h5"), Other());
    writer.begin_document();
    writer.append(std::vector<int32_t>{1, 2});
    writer.commit();
  }
  EXPECT_THAT(message_of<DataError>([&] {
                TokenCorpus({a, folder.path("b.h5")});
              }),
              AllOf(HasSubstr("b.h5"), HasSubstr("a.h5"), HasSubstr("another tokenizer")));
  EXPECT_THROW(TokenCorpus({}), DataError);
}

TEST(TrainLoader, EveryTokenButTheFirstIsATargetOncePerEpoch) {
  const TempFolder folder;
  std::string text;
  for (int i = 0; i < 201; ++i) text += static_cast<char>(i + 1);
  TrainLoader loader(config_for({write_store(folder.path("t.h5"), {text})}, 10), 4);
  ASSERT_EQ(loader.sequences_per_epoch(), 20);
  std::multiset<int32_t> inputs;
  std::multiset<int32_t> targets;
  for (const auto& row : take(loader, 20)) {
    for (int i = 0; i < 10; ++i) {
      EXPECT_EQ(row[static_cast<size_t>(10 + i)], row[static_cast<size_t>(i)] + 1);
      inputs.insert(row[static_cast<size_t>(i)]);
      targets.insert(row[static_cast<size_t>(10 + i)]);
    }
  }
  for (int i = 1; i <= 200; ++i) {
    EXPECT_EQ(inputs.count(i), 1u);
    EXPECT_EQ(targets.count(i + 1), 1u);
  }
}

TEST(TrainLoader, StreamDoesNotDependOnTheMicroBatch) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("a.h5"), {lines_of_words(40)}),
                                  write_store(folder.path("b.h5"), {lines_of_words(30, 9)})},
                                 16);
  TrainLoader one(config, 1);
  const auto expected = take(one, 300);
  ASSERT_LT(one.sequences_per_epoch(), 200) << "the stream must cross an epoch inside a batch";
  for (const int64_t B : {2, 3, 7, 64}) {
    TrainLoader loader(config, B);
    EXPECT_EQ(take(loader, 300), expected) << B;
  }
}

TEST(TrainLoader, SeekContinuesTheSameStreamAnywhere) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {lines_of_words(60)})}, 16);
  TrainLoader straight(config, 1);
  const auto expected = take(straight, 300);
  TrainLoader jumping(config, 3);
  std::mt19937 random(5);
  for (int i = 0; i < 20; ++i) {
    const auto position = static_cast<int64_t>(random() % 280);
    jumping.seek(position);
    EXPECT_EQ(jumping.position(), position);
    const auto rows = take(jumping, 5);
    for (int64_t r = 0; r < 5; ++r) {
      ASSERT_EQ(rows[static_cast<size_t>(r)], expected[static_cast<size_t>(position + r)])
          << position << " " << r;
    }
  }
}

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

TEST(TrainLoader, SeedChangesTheOrder) {
  const TempFolder folder;
  auto config = config_for({write_store(folder.path("t.h5"), {lines_of_words(60)})}, 16);
  TrainLoader a(config, 8);
  config.seed = 43;
  TrainLoader b(config, 8);
  EXPECT_NE(take(a, 8), take(b, 8));
}

TEST(TrainLoader, DocumentMaskKeepsTargetsAndKeysInside) {
  const TempFolder folder;
  // columns            0123456789   (one sequence of 9 inputs)
  const auto path = write_store(folder.path("t.h5"), {"abc", "", "d", "efghij"});
  auto config = config_for({path}, 9);
  config.document_mask = true;
  TrainLoader loader(config, 1);
  const Batch batch = loader.next();
  EXPECT_THAT(batch.tokens, ElementsAre('a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i'));
  EXPECT_THAT(batch.targets, ElementsAre('b', 'c', kIgnore, kIgnore, 'f', 'g', 'h', 'i', 'j'));
  EXPECT_THAT(batch.first_key, ElementsAre(0, 0, 0, 3, 4, 4, 4, 4, 4));
  EXPECT_EQ(batch.scored_targets, 7);
}

TEST(TrainLoader, DocumentMaskSeesABoundaryAtEitherEndOfTheSequence) {
  const TempFolder folder;
  auto config = config_for({write_store(folder.path("t.h5"), {"abcd", "efgh", "i"})}, 4);
  config.document_mask = true;
  ValidationLoader loader(config, 2);
  const Batch batch = loader.next().value();
  EXPECT_THAT(batch.targets, ElementsAre('b', 'c', 'd', kIgnore, 'f', 'g', 'h', kIgnore));
  EXPECT_THAT(batch.first_key, ElementsAre(0, 0, 0, 0, 0, 0, 0, 0));
  EXPECT_EQ(batch.scored_targets, 6);
}

TEST(TrainLoader, WithoutTheMaskEveryTargetIsScored) {
  const TempFolder folder;
  TrainLoader loader(config_for({write_store(folder.path("t.h5"), {"abc", "defghij"})}, 9), 1);
  const Batch batch = loader.next();
  EXPECT_EQ(batch.scored_targets, 9);
  EXPECT_TRUE(batch.first_key.empty());
  EXPECT_EQ(batch.targets[2], 'd');
}

TEST(TrainLoader, RefusesStoresShorterThanASequence) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {"12345678"})}, 8);
  EXPECT_THAT(message_of<DataError>([&] { TrainLoader(config, 1); }),
              AllOf(HasSubstr("t.h5"), HasSubstr("8 tokens"), HasSubstr("T + 1 = 9"),
                    HasSubstr("sequence_tokens")));
  EXPECT_THROW(ValidationLoader(config, 1), DataError);
}

TEST(TrainLoader, DamageFoundByTheThreadSurfacesAtNext) {
  const TempFolder folder;
  const std::string path = write_store(folder.path("t.h5"), {std::string(5000, 'a')});
  std::string content = read_file(path);
  const size_t at = content.find(std::string_view("a\0a\0a\0a\0", 8));
  ASSERT_NE(at, std::string::npos);
  content[at + 2 * 100 + 1] = 'Z';  // token 100 becomes 0x5A61, far outside
  folder.write("t.h5", content);
  TrainLoader loader(config_for({path}, 10), 1);
  const auto run_epoch = [&] {
    for (int64_t i = 0; i < loader.sequences_per_epoch(); ++i) loader.next();
  };
  EXPECT_THAT(message_of<DataError>(run_epoch), HasSubstr("at row 100 is outside the vocabulary"));
  EXPECT_THROW(loader.next(), DataError);
  const int64_t stuck_at = loader.position();
  loader.seek(stuck_at + 1);
  EXPECT_THROW(loader.next(), DataError);  // its block stays refused
}

TEST(TrainLoader, ClosesWhileBatchesAreWaiting) {
  const TempFolder folder;
  const auto config = config_for({write_store(folder.path("t.h5"), {lines_of_words(60)})}, 16);
  for (int i = 0; i < 50; ++i) {
    TrainLoader loader(config, 2);
    if (i % 2 == 0) loader.next();
  }
}

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
