#include "lckv/checkpoint/safetensors.h"

#include <cmath>

#include <gmock/gmock.h>

#include "files_fixture.h"

namespace lckv::checkpoint {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Safetensors : public FilesTest {
 protected:
  std::filesystem::path path_ = folder_ / "x.safetensors";
};

TEST_F(Safetensors, KeepsEveryBitOfEveryDType) {
  const std::vector<Shape> shapes = {Shape{}, Shape{7}, Shape{0}, Shape{3, 5},
                                     Shape{2, 3, 1, 2, 2}};
  std::vector<Buffer> buffers;
  std::vector<NamedTensor> tensors;
  for (const DType dtype : {DType::kBF16, DType::kF32, DType::kF64, DType::kI32, DType::kI64}) {
    for (const Shape& shape : shapes) {
      buffers.push_back(random_buffer(dtype, shape, buffers.size()));
      const std::string name = std::string(lckv::name(dtype)) + to_string(shape);
      tensors.push_back({name, buffers.back().view(), dtype});
    }
  }
  const FileSummary written =
      write_safetensors(path_, tensors, {{"format", "pt"}, {"ä\n\"", "ü\t"}});
  const auto file = SafetensorsFile::open(path_);
  EXPECT_EQ(file.names().size(), tensors.size());
  EXPECT_THAT(file.metadata(),
              ElementsAre(testing::Pair("format", "pt"), testing::Pair("ä\n\"", "ü\t")));
  for (const NamedTensor& tensor : tensors) {
    EXPECT_EQ(file.info(tensor.name).shape, tensor.view.shape()) << tensor.name;
    ASSERT_EQ(file.info(tensor.name).dtype, tensor.view.dtype()) << tensor.name;
    Buffer back(tensor.view.dtype(), tensor.view.shape());
    file.read(tensor.name, back.view());
    EXPECT_EQ(bytes_of(back.view()), bytes_of(tensor.view)) << tensor.name;
  }
  const std::string text = get_text(path_);
  EXPECT_EQ(written, (FileSummary{static_cast<int64_t>(text.size()), hash_text(text)}));
  EXPECT_EQ(file.data_begin() % 8, 0);
  EXPECT_THAT(names_in(folder_), ElementsAre("x.safetensors"));
}

TEST_F(Safetensors, WritesTheWorkedExampleOfTheFormatDocument) {
  Buffer x(DType::kF32, {2});
  x.view().data<float>()[0] = 1;
  x.view().data<float>()[1] = 2;
  write_safetensors(path_, std::vector<NamedTensor>{{"x", x.view(), DType::kF32}});
  const std::string header = R"({"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}})";
  const std::string expected = std::string("\x38\0\0\0\0\0\0\0", 8) + header + std::string(2, ' ') +
                               std::string("\0\0\x80\x3f\0\0\0\x40", 8);
  EXPECT_EQ(get_text(path_), expected);
}

TEST_F(Safetensors, WritesWidestFirstSoThatDataIsAligned) {
  const Buffer narrow(DType::kBF16, {3}), wide(DType::kF64, {1}), middle(DType::kF32, {1});
  write_safetensors(path_, std::vector<NamedTensor>{{"narrow", narrow.view(), DType::kBF16},
                                                    {"wide", wide.view(), DType::kF64},
                                                    {"middle", middle.view(), DType::kF32}});
  EXPECT_THAT(SafetensorsFile::open(path_).names(), ElementsAre("wide", "middle", "narrow"));
}

TEST_F(Safetensors, RoundsWhenWritingNarrowAndWidensExactlyWhenReading) {
  const int64_t count = 1'100'001;  // several chunks of either direction, the last one partial
  Buffer values(DType::kF32, {count});
  const CounterRng rng(5, 0);
  for (int64_t i = 0; i < count; ++i) {
    values.view().data<float>()[i] = static_cast<float>(rng.normal(static_cast<uint64_t>(i)));
  }
  write_safetensors(path_, std::vector<NamedTensor>{{"w", values.view(), DType::kBF16}});
  const auto file = SafetensorsFile::open(path_);
  ASSERT_EQ(file.info("w").dtype, DType::kBF16);
  Buffer as_float(DType::kF32, {count}), as_double(DType::kF64, {count});
  file.read("w", as_float.view());
  file.read("w", as_double.view());
  for (int64_t i = 0; i < count; ++i) {
    const auto expected = static_cast<float>(BFloat16(values.view().data<float>()[i]));
    ASSERT_EQ(as_float.view().data<float>()[i], expected) << i;
    ASSERT_EQ(as_double.view().data<double>()[i], expected) << i;
  }
}

TEST_F(Safetensors, ReadsHalfPrecisionAsFloat) {
  const std::string header = R"({"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}} )";
  put_text(path_, std::string("\x37\0\0\0\0\0\0\0", 8) + header.substr(0, 0x37) +
                      std::string("\x00\x3e\x00\xc0", 4));
  const auto file = SafetensorsFile::open(path_);
  ASSERT_EQ(file.info("h").dtype, DType::kF32);
  Buffer h(DType::kF32, {2});
  file.read("h", h.view());
  EXPECT_EQ(h.view().data<float>()[0], 1.5f);
  EXPECT_EQ(h.view().data<float>()[1], -2.0f);
}

TEST_F(Safetensors, ReadsAnySliceAsTheWholeHasIt) {
  const Shape shape{4, 5, 3};
  const Buffer whole = random_buffer(DType::kI32, shape, 1);
  write_safetensors(path_, std::vector<NamedTensor>{{"w", whole.view(), DType::kI32}});
  const auto file = SafetensorsFile::open(path_);
  const CounterRng rng(11, 0);
  for (uint64_t trial = 0; trial < 300; ++trial) {
    Slice slice = Slice::whole(shape);
    for (uint64_t axis = 0; axis < 3; ++axis) {
      const auto extent = static_cast<uint64_t>(shape[static_cast<int>(axis)]);
      const uint64_t a = rng.below(trial * 6 + axis * 2, extent + 1);
      const uint64_t b = rng.below(trial * 6 + axis * 2 + 1, extent + 1);
      slice.begin[axis] = static_cast<int64_t>(std::min(a, b));
      slice.end[axis] = static_cast<int64_t>(std::max(a, b));
    }
    Buffer part(DType::kI32, slice.shape());
    file.read_slice("w", slice, part.view());
    const int32_t* next = part.view().data<int32_t>();
    for (int64_t i = slice.begin[0]; i < slice.end[0]; ++i) {
      for (int64_t j = slice.begin[1]; j < slice.end[1]; ++j) {
        for (int64_t k = slice.begin[2]; k < slice.end[2]; ++k) {
          ASSERT_EQ(*next++, whole.view().data<int32_t>()[(i * 5 + j) * 3 + k]) << to_string(slice);
        }
      }
    }
  }
}

TEST_F(Safetensors, RefusesAViewThatDoesNotFitWithBothShapesAndDTypes) {
  const Buffer w(DType::kF32, {2, 3}), i(DType::kI64, {2});
  write_safetensors(path_, std::vector<NamedTensor>{{"weight", w.view(), DType::kF32},
                                                    {"ids", i.view(), DType::kI64}});
  const auto file = SafetensorsFile::open(path_);
  Buffer turned(DType::kF32, {3, 2}), floats(DType::kF32, {2}), row(DType::kF32, {1, 3});
  EXPECT_THAT(
      message_of<DataError>([&] { file.read("weight", turned.view()); }),
      HasSubstr("x.safetensors: tensor 'weight': expected shape [3, 2], the file has [2, 3]"));
  EXPECT_THAT(message_of<DataError>([&] { file.read("ids", floats.view()); }),
              HasSubstr("tensor 'ids': expected dtype f32, the file has I64"));
  EXPECT_THAT(message_of<DataError>([&] { file.info("wieght"); }),
              HasSubstr("has no tensor 'wieght'; did you mean 'weight'?"));
  EXPECT_THAT(message_of<DataError>([&] {
                file.read_slice("weight", Slice::rows({2, 3}, 2, 3), row.view());
              }),
              HasSubstr("slice [2:3, 0:3] does not lie in shape [2, 3]"));
}

TEST_F(Safetensors, WriterAppearsOnlyWhenFinishedAndInOrder) {
  const Buffer a(DType::kF32, {2});
  {
    SafetensorsWriter writer(path_, {{"a", DType::kF32, {2}}, {"b", DType::kF32, {2}}});
    EXPECT_THROW(writer.write("b", a.view()), InternalError);
    writer.write("a", a.view());
    EXPECT_THROW(writer.finish(), InternalError);
    EXPECT_FALSE(std::filesystem::exists(path_));
  }
  EXPECT_TRUE(names_in(folder_).empty());
  EXPECT_THROW(SafetensorsWriter(path_, {{"a", DType::kF32, {2}}, {"a", DType::kF32, {2}}}),
               InternalError);
  EXPECT_THROW(SafetensorsWriter(path_, {{"\xff", DType::kF32, {2}}}), DataError);
  EXPECT_TRUE(names_in(folder_).empty());
}

TEST_F(Safetensors, ReportsAFileThatShrinksAfterOpening) {
  const Buffer w = random_buffer(DType::kF32, {100}, 0);
  write_safetensors(path_, std::vector<NamedTensor>{{"w", w.view(), DType::kF32}});
  const auto file = SafetensorsFile::open(path_);
  std::filesystem::resize_file(path_, 100);
  Buffer back(DType::kF32, {100});
  EXPECT_THAT(message_of<IoError>([&] { file.read("w", back.view()); }),
              HasSubstr("x.safetensors: ends at byte 100"));
}

TEST_F(Safetensors, ReadsBeyondTwoGibibytes) {
  // Sparse: takes no room on the disk.
  const int64_t rows = (int64_t{5} << 30) / 8 + 1;
  const std::string header = "{\"w\":{\"dtype\":\"I64\",\"shape\":[" + std::to_string(rows) +
                             "],\"data_offsets\":[0," + std::to_string(rows * 8) + "]}}";
  const uint64_t length = header.size();
  put_text(path_, std::string(reinterpret_cast<const char*>(&length), 8) + header);
  std::filesystem::resize_file(path_, 8 + header.size() + static_cast<uint64_t>(rows) * 8);
  {
    std::fstream file(path_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(-8, std::ios::end);
    file.write("\x2a\0\0\0\0\0\0\0", 8);
  }
  Buffer last(DType::kI64, {1});
  SafetensorsFile::open(path_).read_slice("w", Slice::rows({rows}, rows - 1, rows), last.view());
  EXPECT_EQ(last.view().data<int64_t>()[0], 42);
}

TEST_F(Safetensors, SeesInEveryGoldenFileWhatItsDescriptionSays) {
  int cases = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LCKV_SOURCE_DIR "/tests/golden")) {
    if (entry.path().extension() != ".safetensors") continue;
    const auto file = SafetensorsFile::open(entry.path());
    EXPECT_TRUE(file.metadata().contains("description")) << entry.path();
    if (!file.contains("nll")) continue;
    ++cases;
    Buffer nll(DType::kF64, file.info("nll").shape), loss(DType::kF64, Shape{});
    file.read("nll", nll.view());
    file.read("loss", loss.view());
    double sum = 0;
    for (int64_t i = 0; i < nll.view().numel(); ++i) sum += nll.view().data<double>()[i];
    const auto count = static_cast<double>(nll.view().numel());
    const double mean = sum / count;
    // Each of the two sums of positive numbers is within count roundings of the true one.
    EXPECT_NEAR(loss.view().data<double>()[0], mean, 2 * count * 0x1p-53 * mean) << entry.path();
  }
  EXPECT_EQ(cases, 19);
}

}  // namespace
}  // namespace lckv::checkpoint
