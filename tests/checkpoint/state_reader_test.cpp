#include "lckv/checkpoint/state_reader.h"

#include <gmock/gmock.h>

#include "lckv/checkpoint/manifest.h"
#include "lckv/checkpoint/stored_type.h"
#include "saved_run.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class Reader : public FilesTest {
 protected:
  Reader() : FilesTest(memory_folder()) {}
};

/// What `slice` of the tensor must be as `dtype`.
std::string expected_bytes(const Whole& tensor, const Slice& slice, DType dtype) {
  const Buffer part = cut_out(tensor.data.view(), slice);
  const Buffer converted(dtype, slice.shape());
  convert(static_cast<const std::byte*>(part.raw()), stored_type_of(part.view().dtype()),
          static_cast<std::byte*>(converted.raw()), dtype, part.view().numel());
  return bytes_of(converted.view());
}

TEST_F(Reader, GivesAnyCuttingWhatAnyOtherCuttingSavedAndReadsNoByteMore) {
  constexpr int kRounds = 12;
  int64_t slices = 0;
  for (uint64_t round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const auto tensors = random_tensors(7, round);
    const int writers = 1 + static_cast<int>(round % 5);
    const auto state = save_on_threads(folder_, 1, cut_at_random(tensors, writers, round + 50));
    const int readers = 1 + static_cast<int>(round * 7 % 6);
    for (const RankParts& rank : cut_at_random(tensors, readers, round + 150)) {
      StateReader reader(state);
      int64_t bytes = 0;
      for (const Shard& shard : rank.shards()) {
        const Buffer read(shard.view.dtype(), shard.view.shape());
        reader.read(shard.name, shard.slice, read.view());
        ASSERT_EQ(bytes_of(read.view()), bytes_of(shard.view))
            << shard.name << to_string(shard.slice);
        bytes += shard.view.bytes();
        ++slices;
      }
      EXPECT_EQ(reader.read_bytes(), bytes);
    }
  }
  std::printf("%ld slices\n", static_cast<long>(slices));
}

TEST_F(Reader, GivesEveryBoxOfASmallTensor) {
  std::vector<Whole> tensors;
  tensors.push_back({"w", random_buffer(DType::kF32, {3, 2, 3}, 1)});
  const Shape shape{3, 2, 3};
  const auto state = save_on_threads(folder_, 1, cut_at_random(tensors, 4, 9));
  for (int64_t code = 0; code < 4 * 4 * 3 * 3 * 4 * 4; ++code) {
    int64_t rest = code;
    Slice slice;
    for (const int64_t extent : {3, 2, 3}) {
      slice.begin.push_back(rest % (extent + 1));
      rest /= extent + 1;
      slice.end.push_back(rest % (extent + 1));
      rest /= extent + 1;
    }
    if (!slice.fits(shape)) continue;
    StateReader reader(state);
    const Buffer read(DType::kF32, slice.shape());
    reader.read("w", slice, read.view());
    ASSERT_EQ(bytes_of(read.view()), bytes_of(cut_out(tensors[0].data.view(), slice).view()));
    ASSERT_EQ(reader.read_bytes(), read.view().bytes());
  }
}

TEST_F(Reader, ConvertsFloatingTensorsAndRefusesToConvertOthers) {
  const auto tensors = random_tensors(10, 3);
  const auto state = save_on_threads(folder_, 1, cut_at_random(tensors, 3, 1));
  StateReader reader(state);
  for (const Whole& tensor : tensors) {
    const Shape shape = tensor.data.view().shape();
    const Slice slice = Slice::rows(shape, 0, (shape[0] + 1) / 2);
    for (const DType to : {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64}) {
      const Buffer read(to, slice.shape());
      if (!convertible(stored_type_of(tensor.data.view().dtype()), to)) {
        EXPECT_THROW(reader.read(tensor.name, slice, read.view()), InternalError);
        continue;
      }
      reader.read(tensor.name, slice, read.view());
      EXPECT_EQ(bytes_of(read.view()), expected_bytes(tensor, slice, to))
          << tensor.name << " as " << name(to);
    }
  }
}

TEST_F(Reader, ReadsWhatIsLargerThanAChunkAndHasLongRows) {
  const std::vector<Shape> shapes = {{3, 700'000}, {1'500'000}, {2048, 700}};
  for (const Shape& shape : shapes) {
    std::vector<Whole> tensors;
    tensors.push_back({"w", random_buffer(DType::kF32, shape, 1)});
    std::vector<RankParts> one(1);
    one[0].add("w", shape, Slice::whole(shape),
               cut_out(tensors[0].data.view(), Slice::whole(shape)));
    const auto state = save_on_threads(folder_, 1, one);
    EXPECT_EQ(content_of(state), content_of(tensors));
    Slice slice = Slice::whole(shape);
    slice.begin.back() = 17;
    slice.end.back() -= 3;
    StateReader reader(state);
    const Buffer read(DType::kF32, slice.shape());
    reader.read("w", slice, read.view());
    EXPECT_EQ(bytes_of(read.view()), bytes_of(cut_out(tensors[0].data.view(), slice).view()));
    EXPECT_EQ(reader.read_bytes(), read.view().bytes());
  }
}

TEST_F(Reader, RefusesTensorsAndSlicesThatAreNotThere) {
  const auto tensors = random_tensors(1, 3);
  const auto state = save_on_threads(folder_, 1, cut_at_random(tensors, 2, 1));
  StateReader reader(state);
  const Buffer one(DType::kBF16, {1});
  EXPECT_FALSE(reader.contains("weight/none"));
  EXPECT_THAT(message_of<DataError>([&] { reader.info("weight/none"); }),
              HasSubstr("step-00000001: the state has no tensor 'weight/none' (it has 1)"));
  EXPECT_THAT(message_of<DataError>([&] {
                reader.read("weight/none", {{0}, {1}}, one.view());
              }),
              HasSubstr("the state has no tensor 'weight/none'"));
  EXPECT_EQ(reader.info("weight/tensor.0").shape, tensors[0].data.view().shape());
  EXPECT_EQ(reader.info("weight/tensor.0").dtype, DType::kBF16);
  EXPECT_THAT(message_of<DataError>([&] {
                reader.read("weight/tensor.0", {{99}, {100}}, one.view());
              }),
              HasSubstr("tensor 'weight/tensor.0': slice [99:100] does not lie in shape"));
  const Buffer other(DType::kBF16, {7, 7, 7, 7});
  EXPECT_THROW(
      reader.read("weight/tensor.0", Slice::whole(tensors[0].data.view().shape()), other.view()),
      InternalError);
}

/// A state of "w", f32 [6, 4], of which rank r saved rows 2r and 2r+1.
class DamagedReader : public Reader {
 protected:
  DamagedReader() {
    tensors_.push_back({"w", random_buffer(DType::kF32, {6, 4}, 1)});
    std::vector<RankParts> ranks(3);
    for (int64_t rank = 0; rank < 3; ++rank) {
      const Slice rows = Slice::rows({6, 4}, 2 * rank, 2 * rank + 2);
      ranks[static_cast<size_t>(rank)].add("w", {6, 4}, rows,
                                           cut_out(tensors_[0].data.view(), rows));
    }
    state_ = save_on_threads(folder_, 1, ranks);
  }
  /// Rows first .. last-1; what of it is right is not looked at.
  void read_rows(int64_t first, int64_t last) {
    StateReader reader(state_);
    const Slice rows = Slice::rows({6, 4}, first, last);
    const Buffer read(DType::kF32, rows.shape());
    reader.read("w", rows, read.view());
  }

  std::vector<Whole> tensors_;
  std::filesystem::path state_;
};

TEST_F(DamagedReader, FindsADamagedPieceThatItReadsWhole) {
  const auto file = state_ / rank_file(1);
  flip_bit(file, get_text(file).size() - 5, 2);
  const auto refusal =
      AllOf(HasSubstr("rank-00001.safetensors: tensor 'w[2:4, 0:4]' is damaged: checksum "),
            HasSubstr(", the manifest says "));
  EXPECT_THAT(message_of<DataError>([&] { read_rows(0, 6); }), refusal);
  EXPECT_THAT(message_of<DataError>([&] { read_rows(1, 5); }), refusal);
  read_rows(0, 2);
  read_rows(4, 6);
  read_rows(0, 3);  // in part: what find_damage() is for
  EXPECT_THAT(message_of<DataError>([&] { verify_state(state_); }),
              HasSubstr("tensor 'w[2:4, 0:4]': is damaged"));
}

TEST_F(DamagedReader, NamesAMissingFileOnlyWhenItIsNeeded) {
  std::filesystem::remove(state_ / rank_file(1));
  EXPECT_THAT(message_of<IoError>([&] { read_rows(0, 3); }),
              HasSubstr("rank-00001.safetensors: cannot open the file: No such file"));
  read_rows(4, 6);
  EXPECT_THAT(message_of<DataError>([&] { verify_state(state_); }),
              HasSubstr("rank-00001.safetensors: cannot open the file: No such file"));
}

TEST_F(DamagedReader, NamesATruncatedFile) {
  const auto file = state_ / rank_file(1);
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 1);
  EXPECT_THAT(message_of<DataError>([&] { read_rows(0, 3); }), HasSubstr(file.string()));
  std::filesystem::resize_file(file, 3);
  EXPECT_THAT(message_of<DataError>([&] { read_rows(0, 3); }), HasSubstr(file.string()));
}

TEST_F(DamagedReader, RefusesAFileOfAnotherState) {
  // The same tensor of another rank under this one's name: a whole file, of another slice.
  std::filesystem::copy_file(state_ / rank_file(0), state_ / rank_file(1),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_THAT(message_of<DataError>([&] { read_rows(2, 3); }),
              HasSubstr("rank-00001.safetensors: has no tensor 'w[2:4, 0:4]'"));
}

TEST_F(DamagedReader, RefusesAManifestThatDoesNotFitTheFile) {
  Manifest manifest = read_manifest(state_);
  manifest.tensors["w"].pieces[1].offset -= 4;
  put_text(state_ / "manifest.json", format_manifest(manifest));
  EXPECT_THAT(message_of<DataError>([&] { read_rows(0, 6); }),
              AllOf(HasSubstr("rank-00001.safetensors: tensor 'w[2:4, 0:4]': the manifest says "),
                    HasSubstr("f32[2, 4] from byte ")));
}

TEST_F(DamagedReader, RefusesAnotherVersion) {
  std::string text = get_text(state_ / "manifest.json");
  text.replace(text.find("\"version\": 2"), 12, "\"version\": 3");
  const size_t digits = std::string("{\n  \"checksum\": \"").size();
  text.replace(digits, 16, std::string(16, '0'));
  text.replace(digits, 16, hash_digits(hash_text(text)));
  put_text(state_ / "manifest.json", text);
  const auto refusal =
      HasSubstr("manifest.json: format 'lckv-state' version 3, expected 'lckv-state' version 2");
  EXPECT_THAT(message_of<DataError>([&] { StateReader reader(state_); }), refusal);
  EXPECT_THAT(message_of<DataError>([&] { verify_state(state_); }), refusal);
}

}  // namespace
}  // namespace lckv::checkpoint
