#include "lckv/checkpoint/manifest.h"

#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "files_fixture.h"
#include "lckv/base/clock.h"
#include "lckv/base/text.h"

namespace lckv::checkpoint {
namespace {

using testing::HasSubstr;

/// A manifest of one f32 tensor, "t", whose pieces lie one after the other in one file.
Manifest manifest_of(const Shape& shape, const std::vector<Slice>& slices) {
  Manifest manifest;
  manifest.step = 7;
  manifest.trainer_json = "{}";
  Manifest::Tensor tensor{DType::kF32, shape, {}};
  int64_t offset = 64;
  for (const Slice& slice : slices) {
    tensor.pieces.push_back({"rank-00000.safetensors", offset, slice, 1});
    if (slice.fits(shape)) offset += 4 * slice.shape().numel();
  }
  manifest.files["rank-00000.safetensors"] = {offset, 2};
  manifest.tensors["t"] = tensor;
  return manifest;
}

std::string refusal(const Manifest& manifest) {
  return message_of<DataError>([&] { require_covered(manifest, "place"); });
}

TEST(RequireCovered, TakesPiecesThatCoverTheTensorOnce) {
  require_covered(manifest_of({2, 3}, {{{0, 0}, {2, 3}}}), "place");
  require_covered(manifest_of({2, 3}, {{{0, 1}, {1, 3}}, {{1, 0}, {2, 3}}, {{0, 0}, {1, 1}}}),
                  "place");
  require_covered(manifest_of({}, {{}}), "place");
  require_covered(manifest_of({0, 3}, {}), "place");
  require_covered(manifest_of({0, 3}, {{{0, 0}, {0, 3}}}), "place");
}

TEST(RequireCovered, RefusesAHole) {
  EXPECT_EQ(refusal(manifest_of({2, 3}, {{{0, 0}, {1, 3}}, {{1, 1}, {2, 3}}})),
            "place: tensor 't': its pieces hold 5 elements of 6");
  EXPECT_EQ(refusal(manifest_of({2, 3}, {})), "place: tensor 't': its pieces hold 0 elements of 6");
  EXPECT_EQ(refusal(manifest_of({}, {})), "place: tensor 't': its pieces hold 0 elements of 1");
}

TEST(RequireCovered, RefusesAnOverlapAlsoWhereTheNumberOfElementsIsRight) {
  EXPECT_EQ(refusal(manifest_of({2, 3}, {{{0, 0}, {1, 3}}, {{0, 1}, {2, 2}}, {{1, 0}, {2, 1}}})),
            "place: tensor 't': piece [0:2, 1:2] in rank-00000.safetensors: overlaps piece "
            "[0:1, 0:3]");
  EXPECT_THAT(refusal(manifest_of({4}, {{{0}, {2}}, {{0}, {2}}})), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(manifest_of({}, {{}, {}})), HasSubstr("overlaps"));
  EXPECT_THAT(refusal(manifest_of({1, 4}, {{{0, 0}, {1, 3}}, {{0, 2}, {1, 3}}})),
              HasSubstr("overlaps"));
}

TEST(RequireCovered, RefusesWhatReachesOutsideOfTensorOrFile) {
  EXPECT_EQ(refusal(manifest_of({2, 3}, {{{0, 0}, {2, 4}}})),
            "place: tensor 't': piece [0:2, 0:4] in rank-00000.safetensors: outside of shape "
            "[2, 3]");
  EXPECT_THAT(refusal(manifest_of({2, 3}, {{{0}, {2}}})), HasSubstr("outside of shape"));
  EXPECT_THAT(refusal(manifest_of({2, 3}, {{{1, 0}, {0, 3}}})), HasSubstr("outside of shape"));

  Manifest manifest = manifest_of({2, 3}, {{{0, 0}, {2, 3}}});
  auto& piece = manifest.tensors["t"].pieces[0];
  piece.offset += 1;
  EXPECT_EQ(refusal(manifest),
            "place: tensor 't': piece [0:2, 0:3] in rank-00000.safetensors: 24 bytes from byte 65 "
            "on, the file has 88");
  piece.offset = -1;
  EXPECT_THAT(refusal(manifest), HasSubstr("from byte -1 on"));
  piece.offset = INT64_MAX;
  EXPECT_THAT(refusal(manifest), HasSubstr("from byte 9223372036854775807 on"));
  piece.file = "rank-00001.safetensors";
  EXPECT_THAT(refusal(manifest), HasSubstr("no such file is listed"));
}

TEST(RequireCovered, RefusesPiecesThatShareBytesOfTheirFile) {
  Manifest manifest = manifest_of({4}, {{{0}, {2}}, {{2}, {4}}});
  manifest.tensors["u"] = {DType::kF32, {1}, {{"rank-00000.safetensors", 68, {{0}, {1}}, 3}}};
  EXPECT_EQ(refusal(manifest),
            "place: tensor 'u': piece [0:1] in rank-00000.safetensors: its byte 68 belongs to 't' "
            "too");
}

/// 128 thousand boxes, in all the ways that ranks cut.
TEST(RequireCovered, IsFastForManyPieces) {
  constexpr int64_t kCount = 128 * 1024;
  std::vector<Slice> rows, columns, stretches;
  for (int64_t i = 0; i < kCount; ++i) {
    rows.push_back({{i, 0}, {i + 1, 8}});
    columns.push_back({{0, i}, {8, i + 1}});
  }
  const Shape tall{1000, 333};
  constexpr int64_t kRanks = 16 * 1024;
  for (int64_t rank = 0; rank < kRanks; ++rank) {
    const auto boxes =
        boxes_of_stretch(tall, tall.numel() * rank / kRanks, tall.numel() * (rank + 1) / kRanks);
    stretches.insert(stretches.end(), boxes.begin(), boxes.end());
  }
  const Stopwatch watch;
  require_covered(manifest_of({kCount, 8}, rows), "place");
  require_covered(manifest_of({8, kCount}, columns), "place");
  require_covered(manifest_of(tall, stretches), "place");
  EXPECT_LT(watch.elapsed_s(), 5);  // every pair of them would take minutes
}

TEST(ManifestText, ComesBackAsItWent) {
  Manifest manifest = manifest_of({2, 3}, {{{0, 0}, {1, 3}}, {{1, 0}, {2, 3}}});
  manifest.step = int64_t{1} << 40;
  manifest.tensors["t"].pieces[0].xxh3 = 0xFEDCBA9876543210u;
  manifest.trainer_json = R"({"b":[1,2.5,-1e-300],"a":"ä","n":18446744073709551615})";
  const Manifest back = parse_manifest(format_manifest(manifest), "m");
  EXPECT_EQ(back.step, manifest.step);
  EXPECT_EQ(back.trainer_json, manifest.trainer_json);
  EXPECT_EQ(back.files, manifest.files);
  const auto& tensor = back.tensors.at("t");
  EXPECT_EQ(tensor.global_shape, (Shape{2, 3}));
  EXPECT_EQ(tensor.dtype, DType::kF32);
  EXPECT_EQ(tensor.pieces[0].xxh3, 0xFEDCBA9876543210u);
  EXPECT_EQ(tensor.pieces[1].slice, (Slice{{1, 0}, {2, 3}}));
  EXPECT_EQ(tensor.pieces[1].offset, 76);
}

/// `text` with one thing replaced, and the checksum that then is right.
std::string forged(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  const size_t digits = std::string("{\n  \"checksum\": \"").size();
  text.replace(digits, 16, std::string(16, '0'));
  return text.replace(digits, 16, hash_digits(hash_text(text)));
}

TEST(ManifestText, IsRefusedWhenAnythingInItIsNotAsTheFormatSays) {
  const std::string text = format_manifest(manifest_of({2, 3}, {{{0, 0}, {2, 3}}}));
  const auto refused = [&](const std::string& from, const std::string& to) {
    return message_of<DataError>([&] { parse_manifest(forged(text, from, to), "m"); });
  };
  EXPECT_EQ(refused("\"version\": 2", "\"version\": 1"),
            "m: format 'lckv-state' version 1, expected 'lckv-state' version 2");
  EXPECT_THAT(refused("lckv-state", "lckv-other"), HasSubstr("format 'lckv-other'"));
  EXPECT_THAT(refused("\"f32\"", "\"f31\""), HasSubstr("dtype f31"));
  EXPECT_THAT(refused("\"rank-00000.safetensors\": {", "\"../rank\": {"),
              HasSubstr("file name '../rank'"));
  EXPECT_THAT(refused("\"rank-00000.safetensors\": {", "\"..\": {"), HasSubstr("file name '..'"));
  EXPECT_THAT(refused("\"0000000000000001\"", "\"000000000000000G\""), HasSubstr("hash"));
  EXPECT_THAT(refused("\"0000000000000001\"", "\"1\""), HasSubstr("hash '1'"));
  EXPECT_THAT(refused("\"global_shape\": [\n        2,", "\"global_shape\": [\n        -2,"),
              HasSubstr("not a count: -2"));
  EXPECT_THAT(refused("\"global_shape\": [\n        2,",
                      "\"global_shape\": [\n        4611686018427387904,"),
              HasSubstr("extent 4611686018427387904"));
  EXPECT_THAT(
      refused("\"global_shape\": [\n        2,", "\"global_shape\": [1, 1, 1, 1,\n        2,"),
      HasSubstr("6 axes"));
  EXPECT_THAT(refused("\"offset\": 64", "\"offset\": \"64\""), HasSubstr("m: "));
  for (const char* const count : {"1.5", "-1", "18446744073709551404", "1e300", "true", "null"}) {
    EXPECT_THAT(refused("\"offset\": 64", format("\"offset\": {}", count)),
                HasSubstr(format("not a count: {}", nlohmann::json::parse(count).dump())));
  }
  EXPECT_THAT(refused("\"begin\": [\n            0,", "\"begin\": [\n"),
              HasSubstr("a piece begins at 1 indices and ends at 2"));
  EXPECT_THAT(refused("\"tensors\": {", "\"tensors\": null, \"other\": {"),
              HasSubstr("tensors: not an object"));
  EXPECT_THAT(refused("\"step\": 7,", ""), HasSubstr("step"));
  EXPECT_THAT(refused("\"pieces\"", "\"piece\""), HasSubstr("pieces"));
  EXPECT_THAT(refused("\"trainer\": {}", "\"trainer\": {"), HasSubstr("m: "));
  EXPECT_THAT(refused("\"trainer\": {}", "\"trainer\": [1]"), HasSubstr("trainer: not an object"));
}

TEST(ManifestText, IsRefusedWhenItsChecksumIsNotThatOfTheText) {
  std::string text = format_manifest(manifest_of({2, 3}, {{{0, 0}, {2, 3}}}));
  text.replace(text.find("\"step\": 7"), 9, "\"step\": 8");
  EXPECT_THAT(message_of<DataError>([&] { parse_manifest(text, "m"); }),
              HasSubstr("m: is damaged: it states the checksum "));
  for (const char* const other : {"", "{", "{}", "{\n  \"checksum\": \"0123"}) {
    EXPECT_THAT(message_of<DataError>([&] { parse_manifest(other, "m"); }),
                HasSubstr("does not start with its checksum"));
  }
}

TEST(PieceName, IsTheTensorsWithTheSliceUnlessItIsAllOfIt) {
  EXPECT_EQ(piece_name("w", {4, 3}, {{0, 0}, {4, 3}}), "w");
  EXPECT_EQ(piece_name("w", {4, 3}, {{1, 0}, {4, 3}}), "w[1:4, 0:3]");
  EXPECT_EQ(piece_name("w", {}, {}), "w");
}

}  // namespace
}  // namespace lckv::checkpoint
