#include <gmock/gmock.h>

#include "lckv/checkpoint/manifest.h"
#include "saved_run.h"
#include "shared_folder.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class StateOnRanks : public SharedFilesTest {
 protected:
  /// This rank's part of a cutting among `count` ranks; the others' are dropped.
  static RankParts own_part(const std::vector<Whole>& tensors, uint64_t seed) {
    return std::move(cut_at_random(tensors, ranks(), seed)[static_cast<size_t>(rank())]);
  }
};

TEST_F(StateOnRanks, AnyOtherCuttingReadsTheBytesOfItsSlicesAndNoMore) {
  constexpr int kRounds = 8;
  int64_t slices = 0, bytes_in_all = 0;
  for (uint64_t round = 0; round < kRounds; ++round) {
    const auto tensors = random_tensors(8, round, 12);
    const auto state =
        save_state(group(), folder_, 1, own_part(tensors, round + 100).shards(), R"({"round":1})");
    EXPECT_EQ(state, folder_ / "step-00000001");
    StateReader reader(state);
    int64_t bytes = 0;
    const RankParts wanted = own_part(tensors, round + 200);
    for (const Shard& shard : wanted.shards()) {
      const Buffer read(shard.view.dtype(), shard.view.shape());
      reader.read(shard.name, shard.slice, read.view());
      EXPECT_EQ(bytes_of(read.view()), bytes_of(shard.view))
          << shard.name << to_string(shard.slice);
      bytes += shard.view.bytes();
      ++slices;
    }
    EXPECT_EQ(reader.read_bytes(), bytes);
    EXPECT_EQ(content_of(state), content_of(tensors, R"({"round":1})"));
    bytes_in_all += bytes;
    meet();  // before the next round replaces it
  }
  if (rank() == 0) {
    std::printf("rank 0 of %d read %ld slices, %ld bytes\n", ranks(), static_cast<long>(slices),
                static_cast<long>(bytes_in_all));
  }
}

TEST_F(StateOnRanks, OneReaderAloneSeesWhatAllHaveSaved) {
  const auto tensors = random_tensors(5, 3);
  const auto state = save_state(group(), folder_, 1, own_part(tensors, 1).shards(), "{}");
  if (rank() == 0) {
    EXPECT_EQ(content_of(state), content_of(tensors));
    EXPECT_EQ(read_manifest(state).files.size(), static_cast<size_t>(ranks()));
    EXPECT_EQ(find_latest_state(folder_), state);
  }
}

TEST_F(StateOnRanks, HolesAreOurMistakeOnEveryRankAndLeaveNothing) {
  const auto tensors = random_tensors(5, 3);
  const RankParts parts = own_part(tensors, 1);
  std::vector<Shard> fewer = parts.shards();
  if (rank() == ranks() - 1) fewer.clear();
  try {
    save_state(group(), folder_, 1, fewer, "{}");
    ADD_FAILURE() << "saved";
  } catch (const comm::AgreedError& error) {
    EXPECT_EQ(error.exit_code(), ExitCode::kInternal);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("shards to save: "), HasSubstr("its pieces hold ")));
  }
  meet();
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

/// What find_latest_state() does here: a path, or the exit code and message of its error.
std::string latest(comm::Communicator& group, const std::filesystem::path& folder,
                   const std::atomic<bool>* stop = nullptr) {
  try {
    const auto found = find_latest_state(group, folder, stop);
    return found ? found->filename().string() : "none";
  } catch (const comm::AgreedError& error) {
    return std::to_string(static_cast<int>(error.exit_code())) + " " + error.what();
  }
}

TEST_F(StateOnRanks, FindTheSameLatestStateAndSayOnceWhatIsDamaged) {
  EXPECT_EQ(latest(group(), folder_), "none");
  EXPECT_EQ(latest(group(), folder_ / "none"), "none");
  const auto tensors = random_tensors(5, 3);
  const auto older = save_state(group(), folder_, 1, own_part(tensors, 1).shards(), "{}");
  const auto newer = save_state(group(), folder_, 2, own_part(tensors, 2).shards(), "{}");
  EXPECT_EQ(latest(group(), folder_), "step-00000002");
  for (int damaged = 0; damaged < ranks(); ++damaged) {
    const auto file = newer / rank_file(damaged);
    if (rank() == 0) flip_bit(file, 100, 3);
    meet();
    testing::internal::CaptureStderr();
    EXPECT_EQ(latest(group(), folder_), "step-00000001");
    const std::string said = testing::internal::GetCapturedStderr();
    EXPECT_EQ(said.find(file.string()) != std::string::npos, rank() == 0) << said;
    meet();
    if (rank() == 0) flip_bit(file, 100, 3);
    meet();
  }

  if (rank() == 0) {
    std::filesystem::remove(older / rank_file(1));
    std::filesystem::remove(newer / "manifest.json");
  }
  meet();
  testing::internal::CaptureStderr();
  const std::string refusal = latest(group(), folder_);
  testing::internal::GetCapturedStderr();
  EXPECT_THAT(refusal, AllOf(testing::StartsWith("4 "),  // exit code of damaged data
                             HasSubstr("none of the 2 saved states is whole"),
                             HasSubstr((older / rank_file(1)).string()),
                             HasSubstr((newer / "manifest.json").string())));
  // Every rank reads the manifest; it is named once.
  EXPECT_EQ(refusal.find("manifest.json"), refusal.rfind("manifest.json"));
}

TEST_F(StateOnRanks, AStopOfOneRankEndsTheSearchOnAll) {
  const auto tensors = random_tensors(5, 3);
  save_state(group(), folder_, 1, own_part(tensors, 1).shards(), "{}");
  const std::atomic<bool> stop = rank() == 1;
  EXPECT_THAT(latest(group(), folder_, &stop), testing::StartsWith("130 rank 1: stopped"));
}

}  // namespace
}  // namespace lckv::checkpoint
