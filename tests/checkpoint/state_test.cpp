#include "lckv/checkpoint/state.h"

#include <sstream>

#include <gmock/gmock.h>

#include "lckv/checkpoint/file_calls.h"
#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/safetensors.h"
#include "saved_run.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

/// Stands for a model with its optimizer: tensors of different kinds, whole, in one process.
std::vector<Whole> small_model(uint64_t seed) {
  std::vector<Whole> tensors;
  tensors.push_back({"weight/embed", random_buffer(DType::kF32, {5, 3}, seed)});
  tensors.push_back({"weight/half", random_buffer(DType::kBF16, {5, 3}, seed + 100)});
  tensors.push_back({"adam_m/norm", random_buffer(DType::kF64, {3}, seed + 200)});
  tensors.push_back({"count", random_buffer(DType::kI64, Shape{}, seed + 300)});
  return tensors;
}

std::vector<Shard> whole_shards(const std::vector<Whole>& tensors) {
  std::vector<Shard> shards;
  for (const Whole& tensor : tensors) {
    shards.push_back(whole_shard(tensor.name, tensor.data.view()));
  }
  return shards;
}

const std::string kTrainer =
    R"({"step":7,"position":18446744073709551615,"lr":0.1,"config":{"b":[1,2],"a":"ä"}})";

class State : public FilesTest {};

TEST_F(State, LoadsBitForBitWhatWasSaved) {
  const auto tensors = small_model(1);
  const auto state = save_alone(folder_ / "run", 7, whole_shards(tensors), kTrainer);
  EXPECT_EQ(state, folder_ / "run" / "step-00000007");
  EXPECT_THAT(names_in(state), ElementsAre("manifest.json", rank_file(0)));
  EXPECT_THAT(names_in(folder_ / "run"), ElementsAre("step-00000007"));
  EXPECT_EQ(content_of(state), content_of(tensors, kTrainer));
  EXPECT_EQ(StateReader(state).step(), 7);
  verify_state(state);
}

TEST_F(State, WritesTheWorkedExampleOfTheFormatDocument) {
  std::vector<RankParts> ranks(2);
  Buffer first(DType::kF32, {2}), second(DType::kF32, {1});
  first.view().data<float>()[0] = 1.5f;
  first.view().data<float>()[1] = -2.0f;
  second.view().data<float>()[0] = 0.25f;
  ranks[0].add("weight/model.norm.weight", {3}, {{0}, {2}}, std::move(first));
  ranks[1].add("weight/model.norm.weight", {3}, {{2}, {3}}, std::move(second));
  const auto state = save_on_threads(folder_, 1000, ranks, R"({"sequences": 64000})");
  std::istringstream manifest(get_text(state / "manifest.json"));
  std::string indented;
  for (std::string line; std::getline(manifest, line);) indented += "    " + line + "\n";
  EXPECT_THAT(get_text(LCKV_SOURCE_DIR "/src/checkpoint/FORMAT.md"), HasSubstr(indented));
}

TEST_F(State, IsWrittenInTheOrderThatSurvivesAPowerCut) {
  std::string calls;
  const auto tensors = small_model(1);
  std::filesystem::create_directories(folder_ / "run");
  const ScopedFileCallHook hook([&](std::string_view call) {
    if (call != "write") calls += std::string(call) + " ";
    return 0;
  });
  const std::string file = "create fsync close rename fsync ";
  save_alone(folder_ / "run", 7, whole_shards(tensors));
  EXPECT_EQ(calls, "mkdir " + file + file + "fsync rename fsync ");
  calls.clear();
  save_alone(folder_ / "run", 7, whole_shards(tensors));
  EXPECT_EQ(calls, "mkdir " + file + file + "fsync exchange fsync unlink unlink rmdir ");
}

TEST_F(State, RefusesATrainerStateThatIsNoObjectAndLeavesNothing) {
  const auto tensors = small_model(1);
  EXPECT_THROW(save_alone(folder_, 7, whole_shards(tensors), "[1]"), DataError);
  EXPECT_THROW(save_alone(folder_, 7, whole_shards(tensors), "{\"a\": nan}"), DataError);
  EXPECT_TRUE(names_in(folder_).empty());
}

TEST_F(State, RefusesShardsWithHolesOrOverlapsAsOurMistakeAndLeavesNothing) {
  const auto refused = [&](const std::vector<std::vector<Slice>>& by_rank) {
    std::vector<RankParts> ranks(by_rank.size());
    for (size_t rank = 0; rank < ranks.size(); ++rank) {
      for (const Slice& slice : by_rank[rank]) {
        ranks[rank].add("w", {4, 3}, slice, Buffer(DType::kF32, slice.shape()));
      }
    }
    const std::string message = message_of([&] {
      try {
        save_on_threads(folder_, 7, ranks);
      } catch (const Error& error) {
        EXPECT_EQ(error.exit_code(), ExitCode::kInternal) << error.what();
        throw;
      }
    });
    EXPECT_TRUE(names_in(folder_).empty());
    return message;
  };
  EXPECT_THAT(refused({{{{0, 0}, {2, 3}}}, {{{2, 0}, {3, 3}}}}),
              AllOf(StartsWith("rank 0: shards to save: "), HasSubstr("hold 9 elements of 12")));
  EXPECT_THAT(refused({{{{0, 0}, {2, 3}}}, {{{1, 0}, {4, 3}}}}), HasSubstr("overlaps"));
  EXPECT_THAT(refused({{{{0, 0}, {4, 3}}}, {{{0, 0}, {4, 3}}}}), HasSubstr("overlaps"));
  // Twice on one rank: already the names in its file collide.
  EXPECT_THAT(refused({{{{0, 0}, {4, 3}}, {{0, 0}, {4, 3}}}, {}}), HasSubstr("'w'"));

  const auto alone = comm::make_alone("test");
  const Buffer part(DType::kF32, {2, 3});
  const std::vector<Shard> shards = {{"w", {4, 3}, {{0, 0}, {2, 3}}, part.view()}};
  EXPECT_THROW(save_state(*alone, folder_, 7, shards, "{}"), InternalError);
}

TEST_F(State, RefusesShardsThatRanksDescribeDifferently) {
  std::vector<RankParts> ranks(2);
  ranks[0].add("w", {4}, {{0}, {2}}, Buffer(DType::kF32, {2}));
  ranks[1].add("w", {4}, {{2}, {4}}, Buffer(DType::kF64, {2}));
  EXPECT_THAT(message_of([&] { save_on_threads(folder_, 7, ranks); }),
              HasSubstr("tensor 'w' is f64[4] on rank 1, elsewhere f32[4]"));
  const Buffer part(DType::kF32, {2});
  EXPECT_THROW(save_alone(folder_, 7, {{"w", {4}, {{0}, {3}}, part.view()}}), InternalError);
  EXPECT_THROW(save_alone(folder_, 7, {{"w", {4}, {{3}, {5}}, part.view()}}), InternalError);
  EXPECT_THROW(save_alone(folder_, -1, {whole_shard("w", part.view())}), InternalError);
  EXPECT_TRUE(names_in(folder_).empty());
}

TEST_F(State, ARankMayHaveNothingToSave) {
  const auto tensors = small_model(1);
  std::vector<RankParts> ranks(3);
  for (const Whole& tensor : tensors) {
    const Shape shape = tensor.data.view().shape();
    ranks[1].add(tensor.name, shape, Slice::whole(shape),
                 cut_out(tensor.data.view(), Slice::whole(shape)));
  }
  const auto state = save_on_threads(folder_, 7, ranks);
  EXPECT_THAT(names_in(state),
              ElementsAre("manifest.json", rank_file(0), rank_file(1), rank_file(2)));
  EXPECT_EQ(content_of(state), content_of(tensors));
  verify_state(state);
  EXPECT_TRUE(SafetensorsFile::open(state / rank_file(2)).names().empty());
}

TEST_F(State, RefusesARenamedFolderAndAFolderThatIsNone) {
  const auto tensors = small_model(1);
  const auto state = save_alone(folder_, 7, whole_shards(tensors));
  const auto renamed = folder_ / "step-00000008";
  std::filesystem::rename(state, renamed);
  const auto refusal = HasSubstr("manifest.json: is of step 7, its folder is named for step 8");
  EXPECT_THAT(message_of<DataError>([&] { verify_state(renamed); }), refusal);
  EXPECT_THAT(message_of<DataError>([&] { StateReader reader(renamed); }), refusal);
  EXPECT_THAT(message_of<DataError>([&] { StateReader reader(renamed / ""); }), refusal);
  std::filesystem::rename(renamed, folder_ / "a copy of mine");
  EXPECT_EQ(StateReader(folder_ / "a copy of mine").step(), 7);

  EXPECT_THAT(message_of<IoError>([&] { StateReader reader(folder_ / "none"); }),
              HasSubstr("none/manifest.json: cannot open the file"));
  EXPECT_THAT(message_of<DataError>([&] { verify_state(folder_ / "none"); }),
              HasSubstr("none/manifest.json: cannot open the file"));
}

TEST_F(State, ADamagedStateIsReplacedWhenItsStepIsSavedAgain) {
  const auto before = small_model(1), after = small_model(2);
  const auto state = save_alone(folder_, 7, whole_shards(before));
  flip_bit(state / rank_file(0), 200, 0);
  save_alone(folder_, 7, whole_shards(after));
  EXPECT_EQ(content_of(state), content_of(after));
  EXPECT_THAT(names_in(folder_), ElementsAre("step-00000007"));
}

TEST_F(State, ASaveRemovesWhatKilledOnesLeftAndNothingElse) {
  for (const char* const name : {"step-00000005.tmp", "step-00000002.removed.tmp", "mine.tmp"}) {
    std::filesystem::create_directories(folder_ / name);
    put_text(folder_ / name / "file", "x");
  }
  const auto tensors = small_model(1);
  save_alone(folder_, 6, whole_shards(tensors));
  EXPECT_THAT(names_in(folder_), ElementsAre("mine.tmp", "step-00000006"));
}

TEST_F(State, TheNewestWholeOneIsFoundAndTheDamagedNewerOneIsNamed) {
  EXPECT_EQ(find_latest_state(folder_ / "none"), std::nullopt);
  EXPECT_EQ(find_latest_state(folder_), std::nullopt);
  const auto tensors = small_model(1);
  const auto older = save_alone(folder_, 1000, whole_shards(tensors));
  const auto newer = save_alone(folder_, 100'000'000, whole_shards(tensors));
  put_text(folder_ / "metrics.jsonl", "");
  std::filesystem::create_directories(folder_ / "step-2");  // not a name of ours
  EXPECT_EQ(find_latest_state(folder_), newer);

  flip_bit(newer / rank_file(0), get_text(newer / rank_file(0)).size() - 1, 0);
  testing::internal::CaptureStderr();
  EXPECT_EQ(find_latest_state(folder_), older);
  EXPECT_THAT(testing::internal::GetCapturedStderr(),
              AllOf(HasSubstr("warning"), HasSubstr("step-100000000 cannot be used:\n  "),
                    HasSubstr("tensor 'weight/half': is damaged: checksum ")));

  std::filesystem::remove(older / "manifest.json");
  testing::internal::CaptureStderr();
  EXPECT_THAT(message_of<DataError>([&] { find_latest_state(folder_); }),
              AllOf(HasSubstr("none of the 2 saved states is whole:\n"),
                    HasSubstr("step-00001000/manifest.json: cannot open"),
                    HasSubstr("step-100000000/rank-00000.safetensors: tensor 'weight/half'")));
  testing::internal::GetCapturedStderr();
}

TEST_F(State, LookingForTheLatestEndsWhenAskedTo) {
  const auto tensors = small_model(1);
  const auto state = save_alone(folder_, 1, whole_shards(tensors));
  const std::atomic<bool> stop = true;
  const auto alone = comm::make_alone("test");
  EXPECT_THROW(find_latest_state(*alone, folder_, &stop), Interrupted);
  EXPECT_THROW(find_damage(state, &stop), Interrupted);
}

TEST_F(State, RanksShareTheFilesOutAndFindTheSame) {
  const auto tensors = random_tensors(6, 5);
  const auto older = save_on_threads(folder_, 1, cut_at_random(tensors, 4, 1));
  const auto newer = save_on_threads(folder_, 2, cut_at_random(tensors, 4, 2));
  for (int rank = 0; rank < 4; ++rank) {
    const auto file = newer / rank_file(rank);
    flip_bit(file, get_text(file).size() - 1, 0);
    EXPECT_EQ(find_damage(newer, nullptr, rank, 4).size(), 1u);
    EXPECT_EQ(find_damage(newer, nullptr, (rank + 1) % 4, 4).size(), 0u);
    for (const int ranks : {1, 2, 3, 5}) {
      std::vector<std::optional<std::filesystem::path>> found(static_cast<size_t>(ranks));
      testing::internal::CaptureStderr();
      const auto thrown = run_on_threads(ranks, [&](comm::Communicator& group) {
        found[static_cast<size_t>(group.rank())] = find_latest_state(group, folder_);
      });
      EXPECT_THAT(testing::internal::GetCapturedStderr(), HasSubstr(file.string()));
      EXPECT_THAT(thrown, testing::Each(nullptr));
      EXPECT_THAT(found, testing::Each(older));
    }
    flip_bit(file, get_text(file).size() - 1, 0);
  }
}

}  // namespace
}  // namespace lckv::checkpoint
