#include <gmock/gmock.h>

#include "lckv/checkpoint/safetensors.h"
#include "lckv/comm/agreement.h"
#include "saved_run.h"

// A thousand things that disks do to a state that three ranks saved: each is found, with the right
// file and, where bytes of a tensor are hit, the right tensor.

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr int kRanks = 3;
constexpr uint64_t kSeed = 20240917;

/// Where a tensor's bytes lie in a file, from the file's own header.
struct Place {
  int64_t begin, end;
  std::string tensor;
};

/// A file of the state as it was saved.
struct GoodFile {
  std::filesystem::path path;
  std::string content;
  std::vector<Place> places;  // in order; empty for the manifest

  std::string tensor_at(int64_t byte) const {
    for (const Place& place : places) {
      if (place.begin <= byte && byte < place.end) return place.tensor;
    }
    return "";
  }
  /// The first that does not end in so many bytes.
  std::string first_cut_off(int64_t size) const {
    for (const Place& place : places) {
      if (place.end > size) return place.tensor;
    }
    return "";
  }
};

GoodFile look_at(const std::filesystem::path& path) {
  GoodFile good{path, get_text(path), {}};
  if (path.extension() != ".safetensors") return good;
  const auto file = SafetensorsFile::open(path);
  for (const std::string& name : file.names()) {
    const auto bytes = file.bytes_of(name);
    good.places.push_back({bytes.begin, bytes.end, name});
  }
  return good;
}

/// What was done, and what must be found.
struct Harm {
  std::string what;
  std::string tensor;
};

/// One thing of five, mostly flips.
Harm do_harm(const GoodFile& file, Dice& dice) {
  const auto size = static_cast<int64_t>(file.content.size());
  const int64_t kind = dice.below(10);
  if (kind == 0) {
    std::filesystem::remove(file.path);
    return {"removed", ""};
  }
  if (kind == 1) {
    std::filesystem::resize_file(file.path, 0);
    return {"emptied", file.first_cut_off(0)};
  }
  if (kind == 2) {
    const std::string more(static_cast<size_t>(1 + dice.below(100)),
                           dice.below(2) == 0 ? '\0' : 'x');
    put_text(file.path, file.content + more);
    return {"appended to", ""};
  }
  const int64_t at = dice.below(size);
  if (kind == 3) {
    std::filesystem::resize_file(file.path, static_cast<uintmax_t>(at));
    return {"cut off", file.first_cut_off(at)};
  }
  flip_bit(file.path, static_cast<size_t>(at), static_cast<int>(dice.below(8)));
  return {"flipped", file.tensor_at(at)};
}

class Damages : public FilesTest {
 protected:
  Damages() : FilesTest(memory_folder()) {
    older_ = save_on_threads(folder_, 1, cut_at_random(tensors_, kRanks, 1));
    newer_ = save_on_threads(folder_, 2, cut_at_random(tensors_, kRanks, 2));
    for (const std::string& name : names_in(newer_)) files_.push_back(look_at(newer_ / name));
  }
  const GoodFile& any_file(Dice& dice) {
    return files_[static_cast<size_t>(dice.below(static_cast<int64_t>(files_.size())))];
  }
  static void mend(const GoodFile& file) { put_text(file.path, file.content); }

  const std::vector<Whole> tensors_ = random_tensors(9, kSeed, 20);
  std::filesystem::path older_, newer_;
  std::vector<GoodFile> files_;
};

TEST_F(Damages, AreFoundWithFileAndTensorAThousandTimes) {
  ASSERT_EQ(files_.size(), kRanks + 1u);
  ASSERT_TRUE(find_damage(newer_).empty());
  Dice dice(kSeed);
  std::map<std::string, int> harms;
  int in_tensors = 0;
  for (int i = 0; i < 1000; ++i) {
    const GoodFile& file = any_file(dice);
    const Harm harm = do_harm(file, dice);
    SCOPED_TRACE(std::to_string(i) + ": " + file.path.filename().string() + " " + harm.what);
    const std::vector<Damage> found = find_damage(newer_);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].file, file.path);
    EXPECT_EQ(found[0].tensor, harm.tensor);
    EXPECT_THAT(to_string(found[0]), HasSubstr(file.path.string() + ": "));
    ++harms[harm.what];
    in_tensors += harm.tensor.empty() ? 0 : 1;
    mend(file);
  }
  ASSERT_TRUE(find_damage(newer_).empty());
  std::string counts;
  for (const auto& [what, count] : harms) counts += " " + what + " " + std::to_string(count) + ",";
  std::printf("seed %ld:%s in a tensor %d\n", static_cast<long>(kSeed), counts.c_str(), in_tensors);
  EXPECT_EQ(harms.size(), 5u);
  EXPECT_GT(in_tensors, 400);
}

TEST_F(Damages, OfTheNewestAreNamedAndTheOlderIsTaken) {
  Dice dice(kSeed + 1);
  for (int i = 0; i < 100; ++i) {
    const GoodFile& file = any_file(dice);
    const Harm harm = do_harm(file, dice);
    SCOPED_TRACE(file.path.filename().string() + " " + harm.what);
    testing::internal::CaptureStderr();
    EXPECT_EQ(find_latest_state(folder_), older_);
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                AllOf(HasSubstr("warning"), HasSubstr(file.path.string())));
    mend(file);
  }
  EXPECT_EQ(find_latest_state(folder_), newer_);
}

TEST_F(Damages, OfAllStatesAreAnErrorAndNeverANewStart) {
  Dice dice(kSeed + 2);
  flip_bit(older_ / rank_file(0), 20, 0);
  for (int i = 0; i < 100; ++i) {
    const GoodFile& file = any_file(dice);
    const Harm harm = do_harm(file, dice);
    SCOPED_TRACE(file.path.filename().string() + " " + harm.what);
    testing::internal::CaptureStderr();
    EXPECT_THAT(message_of<DataError>([&] { find_latest_state(folder_); }),
                AllOf(HasSubstr("none of the 2 saved states is whole"),
                      HasSubstr(file.path.string()), HasSubstr((older_ / rank_file(0)).string())));
    testing::internal::GetCapturedStderr();
    mend(file);
  }
}

TEST_F(Damages, OfSeveralPlacesAreAllFound) {
  std::vector<std::string> expected;
  for (const GoodFile& file : files_) {
    for (const Place& place : file.places) {
      flip_bit(file.path, static_cast<size_t>(place.begin), 0);
      expected.push_back(file.path.string() + " " + place.tensor);
    }
  }
  std::vector<std::string> found;
  for (const Damage& damage : find_damage(newer_)) {
    found.push_back(damage.file.string() + " " + damage.tensor);
  }
  EXPECT_EQ(found, expected);
  EXPECT_GT(found.size(), 20u);
}

/// A link to itself stands for a disk that fails: root, as whom tests may run, is denied nothing.
TEST_F(Damages, OfAFileThatCannotBeReadAreNotPassedOver) {
  for (const auto& file : {newer_ / rank_file(1), newer_ / "manifest.json"}) {
    std::filesystem::rename(file, folder_ / "aside");
    std::filesystem::create_symlink(file, file);
    const auto refusal =
        AllOf(HasSubstr(file.string() + ": cannot open the file: Too many levels of symbolic"),
              HasSubstr("may be whole"));
    EXPECT_THAT(message_of<IoError>([&] { find_latest_state(folder_); }), refusal);
    const auto thrown = run_on_threads(
        kRanks, [&](comm::Communicator& group) { find_latest_state(group, folder_); });
    for (const auto& error : thrown) {
      ASSERT_NE(error, nullptr);
      EXPECT_THAT(message_of<comm::AgreedError>([&] { std::rethrow_exception(error); }), refusal);
    }
    const std::vector<Damage> found = find_damage(newer_);
    ASSERT_EQ(found.size(), 1u);
    EXPECT_EQ(found[0].file, file);
    std::filesystem::remove(file);
    std::filesystem::rename(folder_ / "aside", file);
  }
  EXPECT_EQ(find_latest_state(folder_), newer_);
}

TEST_F(Damages, AFileThatIsAFolderIsDamaged) {
  std::filesystem::remove(newer_ / rank_file(1));
  std::filesystem::create_directory(newer_ / rank_file(1));
  const std::vector<Damage> found = find_damage(newer_);
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(to_string(found[0]), HasSubstr("rank-00001.safetensors: not a regular file"));
  testing::internal::CaptureStderr();
  EXPECT_EQ(find_latest_state(folder_), older_);
  testing::internal::GetCapturedStderr();
}

}  // namespace
}  // namespace lckv::checkpoint
