#include <gmock/gmock.h>

#include "files_fixture.h"
#include "lckv/checkpoint/safetensors.h"

namespace lckv::checkpoint {
namespace {

using testing::AllOf;
using testing::HasSubstr;

std::string with_length(uint64_t length, const std::string& rest) {
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + rest;
}

std::string file_text(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, 'd'));
}

struct Malformed {
  const char* what;
  std::string header;
  size_t data_bytes;
  const char* message;
};

std::string one(const std::string& dtype, const std::string& shape, const std::string& offsets) {
  return R"({"w":{"dtype":)" + dtype + R"(,"shape":)" + shape + R"(,"data_offsets":)" + offsets +
         "}}";
}

std::string two(const std::string& offsets_a, const std::string& offsets_b) {
  return R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + offsets_a +
         R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + offsets_b + "}}";
}

std::vector<Malformed> malformed_files() {
  const std::string good = R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})";
  return {
      {"empty header", "", 0, "header: does not start with '{'"},
      {"leading space", " {}", 0, "header: does not start with '{'"},
      {"array", "[1]", 0, "header: does not start with '{'"},
      {"cut JSON", R"({"w":{"dtype")", 8, "header: is not valid JSON"},
      {"text after the JSON", "{} x", 0, "header: is not valid JSON"},
      {"not UTF-8", "{\"\xff\":" + good + "}", 8, "header: is not valid JSON"},
      {"deep nesting", R"({"w":[[[[[[1]]]]]]})", 0, "header: nested deeper than 4 levels"},
      {"name twice", R"({"w":)" + good + R"(,"w":)" + good + "}", 8,
       "header: name \"w\" occurs twice"},
      {"member twice", R"({"w":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}})", 8,
       "name \"dtype\" occurs twice"},
      {"metadata twice", R"({"__metadata__":{},"__metadata__":{}})", 0,
       "name \"__metadata__\" occurs twice"},
      {"tensor that is a number", R"({"w":1})", 0, "tensor 'w': is 1, expected an object"},
      {"no dtype", R"({"w":{"shape":[2],"data_offsets":[0,8]}})", 8,
       "tensor 'w': has no \"dtype\""},
      {"no shape", R"({"w":{"dtype":"F32","data_offsets":[0,8]}})", 8,
       "tensor 'w': has no \"shape\""},
      {"no offsets", R"({"w":{"dtype":"F32","shape":[2]}})", 8, "has no \"data_offsets\""},
      {"unknown member", R"({"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}})", 8,
       "has the unknown member \"x\""},
      {"unknown dtype", one(R"("F8_E4M3")", "[2]", "[0,2]"), 2,
       "tensor 'w': dtype is \"F8_E4M3\", expected F64, F32, F16, BF16, I64 or I32"},
      {"dtype in small letters", one(R"("f32")", "[2]", "[0,8]"), 8, "dtype is \"f32\""},
      {"dtype that is a number", one("32", "[2]", "[0,8]"), 8, "dtype is 32"},
      {"shape that is a number", one(R"("F32")", "2", "[0,8]"), 8, "shape is 2, expected an array"},
      {"negative extent", one(R"("F32")", "[-2]", "[0,8]"), 8,
       "an extent of the shape is -2, expected a whole number in [0, 2^63)"},
      {"fractional extent", one(R"("F32")", "[2.0]", "[0,8]"), 8, "an extent of the shape is 2.0"},
      {"extent above 63 bits", one(R"("F32")", "[9223372036854775808]", "[0,8]"), 8,
       "an extent of the shape is 9223372036854775808"},
      {"overflowing product", one(R"("F32")", "[4294967296,4294967296]", "[0,0]"), 0,
       "shape [4294967296, 4294967296] of F32 overflows 63 bits"},
      {"overflow beside an empty axis", one(R"("F32")", "[0,4294967296,4294967296]", "[0,0]"), 0,
       "overflows 63 bits"},
      {"six axes", one(R"("F32")", "[1,1,1,1,1,2]", "[0,8]"), 8,
       "shape has 6 axes, expected at most 5"},
      {"one offset", one(R"("F32")", "[2]", "[0]"), 8,
       "data_offsets is [0], expected [begin, end]"},
      {"negative offset", one(R"("F32")", "[2]", "[-8,0]"), 8, "the begin of data_offsets is -8"},
      {"reversed offsets", one(R"("F32")", "[2]", "[8,0]"), 8, "data_offsets [8,0] are reversed"},
      {"offsets past the end", one(R"("F32")", "[2]", "[0,8]"), 7,
       "data_offsets [0,8] reach past the 7 bytes of data in the file"},
      {"wrong size", one(R"("F32")", "[3]", "[0,8]"), 8,
       "data_offsets [0,8] span 8 bytes, expected 12 for F32[3]"},
      {"overlap", two("[0,8]", "[4,12]"), 12,
       "tensor 'b': starts at byte 4 of the data and overlaps tensor 'a', which ends at 8"},
      {"the same bytes twice", two("[0,8]", "[0,8]"), 8, "overlaps tensor 'a'"},
      {"bytes before the first", one(R"("F32")", "[2]", "[4,12]"), 12,
       "tensor 'w': starts at byte 4 of the data, 4 bytes after the start of the data"},
      {"hole", two("[0,8]", "[12,20]"), 20,
       "tensor 'b': starts at byte 12 of the data, 4 bytes after tensor 'a'"},
      {"bytes after the last", one(R"("F32")", "[2]", "[0,8]"), 9,
       "data: 1 bytes follow the last tensor, which ends at byte 8"},
      {"data without tensors", "{}", 3, "data: 3 bytes follow"},
      {"metadata that is text", R"({"__metadata__":"x"})", 0, "__metadata__ is not an object"},
      {"metadata number", R"({"__metadata__":{"k":1}})", 0,
       "__metadata__ entry 'k' is 1, expected a string"},
  };
}

class MalformedSafetensors : public FilesTest {
 protected:
  std::string refusal_of(const std::string& text) {
    put_text(path_, text);
    return message_of<DataError>([&] { SafetensorsFile::open(path_); });
  }
  std::filesystem::path path_ = folder_ / "bad.safetensors";
};

TEST_F(MalformedSafetensors, AreEachRefusedWithFilePlaceAndValues) {
  for (const Malformed& malformed : malformed_files()) {
    SCOPED_TRACE(malformed.what);
    EXPECT_THAT(refusal_of(file_text(malformed.header, malformed.data_bytes)),
                AllOf(testing::StartsWith(path_.string() + ": "), HasSubstr(malformed.message)));
  }
}

TEST_F(MalformedSafetensors, AreRefusedWhenTheHeaderCannotBeThere) {
  EXPECT_THAT(refusal_of(""), HasSubstr("has 0 bytes, too few"));
  EXPECT_THAT(refusal_of("1234567"), HasSubstr("has 7 bytes, too few"));
  EXPECT_THAT(refusal_of(with_length(3, "{}")),
              HasSubstr("header of 3 bytes does not fit into the file of 10 bytes"));
  EXPECT_THAT(refusal_of(with_length(100'000'001, "{}")),
              HasSubstr("header of 100000001 bytes is longer than the limit of 100000000"));
  EXPECT_THAT(refusal_of(with_length(~uint64_t{0}, "{}")),
              HasSubstr("header of 18446744073709551615 bytes is longer than the limit"));
}

TEST_F(MalformedSafetensors, AHugeHeaderCostsNothing) {
  put_text(path_, with_length(200'000'000, "{"));
  std::filesystem::resize_file(path_, 300'000'000);
  EXPECT_THROW(SafetensorsFile::open(path_), DataError);
}

TEST_F(MalformedSafetensors, EveryPrefixOfAGoodFileIsRefused) {
  const std::string text = file_text(two("[0,8]", "[8,16]"), 16);
  for (size_t size = 0; size < text.size(); ++size) refusal_of(text.substr(0, size));
  put_text(path_, text);
  EXPECT_EQ(SafetensorsFile::open(path_).names().size(), 2u);
}

TEST_F(MalformedSafetensors, MayHaveUnalignedData) {
  put_text(path_, file_text(R"({"w":{"dtype":"F64","shape":[1],"data_offsets":[0,8]}} )", 8));
  Buffer w(DType::kF64, {1});
  SafetensorsFile::open(path_).read("w", w.view());
  EXPECT_EQ(bytes_of(w.view()), "dddddddd");
}

/// Opens and reads everything; false when that was refused.
bool is_readable(const std::filesystem::path& path) {
  try {
    const auto file = SafetensorsFile::open(path);
    for (const std::string& name : file.names()) {
      const TensorInfo info = file.info(name);
      Buffer tensor(info.dtype, info.shape);
      file.read(name, tensor.view());
    }
    return true;
  } catch (const DataError&) {
    return false;
  }
}

TEST_F(MalformedSafetensors, RandomFlippedBitsAreRefusedOrHarmless) {
  const Buffer a = random_buffer(DType::kBF16, {3, 5}, 0), b = random_buffer(DType::kF64, {2}, 1);
  write_safetensors(path_,
                    std::vector<NamedTensor>{{"model.norm", a.view(), DType::kBF16},
                                             {"b", b.view(), DType::kF64}},
                    {{"format", "pt"}});
  const size_t size = get_text(path_).size();
  const CounterRng rng(99, 0);
  int readable = 0;
  for (uint64_t trial = 0; trial < 2000; ++trial) {
    const size_t at = rng.below(2 * trial, size);
    const int bit = static_cast<int>(rng.below(2 * trial + 1, 8));
    flip_bit(path_, at, bit);
    readable += is_readable(path_) ? 1 : 0;
    flip_bit(path_, at, bit);
  }
  EXPECT_GT(readable, 100);   // in data, in names
  EXPECT_LT(readable, 1500);  // in lengths, offsets, JSON
}

TEST_F(MalformedSafetensors, WhatIsNotAFileIsAnIoError) {
  EXPECT_THAT(message_of<IoError>([&] { SafetensorsFile::open(folder_); }),
              HasSubstr("not a regular file"));
  EXPECT_THAT(message_of<IoError>([&] { SafetensorsFile::open(folder_ / "none"); }),
              HasSubstr("none: cannot open the file: No such file or directory"));
}

}  // namespace
}  // namespace lckv::checkpoint
