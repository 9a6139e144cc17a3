#include "lckv/data/loader.h"

#include <random>
#include <set>

#include <gmock/gmock.h>

#include "lckv/base/error.h"
#include "loader_rows.h"
#include "test_files.h"

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(SequenceCount, NeedsOneTokenMoreThanTheInputs) {
  EXPECT_EQ(sequence_count(0, 8), 0);
  EXPECT_EQ(sequence_count(8, 8), 0);
  EXPECT_EQ(sequence_count(9, 8), 1);
  EXPECT_EQ(sequence_count(16, 8), 1);
  EXPECT_EQ(sequence_count(17, 8), 2);
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

}  // namespace
}  // namespace lckv::data
