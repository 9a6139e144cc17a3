#include "lckv/checkpoint/strict_json.h"

#include <gmock/gmock.h>

#include "files_fixture.h"
#include "lckv/checkpoint/tensor_set.h"

namespace lckv::checkpoint {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using testing::HasSubstr;
using testing::StartsWith;

std::string repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

TEST(StrictJson, ReadsWhatTheLibraryReads) {
  const std::string text =
      R"({"b": [1, 2.5, {"a": null}], "a": {"b": true}, "c": {"b": "\u00e9"}})";
  EXPECT_EQ(parse_strict_json<json>(text, 3, "f"), json::parse(text));
  EXPECT_EQ(parse_strict_json<ordered_json>(text, 3, "f").dump(), ordered_json::parse(text).dump());
}

TEST(StrictJson, RefusesANameThatOccursTwice) {
  for (const char* text : {R"({"a": 1, "a": 1})", R"({"x": {"b": 1, "a": {"b": 2}, "a": 2}})",
                           R"([{"a": 1}, {"a": 1, "c": 2, "a": 3}])"}) {
    EXPECT_EQ(message_of<DataError>([&] { parse_strict_json<json>(text, 9, "f"); }),
              "f: name \"a\" occurs twice")
        << text;
  }
}

TEST(StrictJson, RefusesDepthWithoutFollowingIt) {
  constexpr int kDeep = 1'000'000;
  for (const char* open : {"[", "{\"a\":"}) {
    EXPECT_EQ(message_of<DataError>(
                  [&] { parse_strict_json<ordered_json>(repeated(open, kDeep), 16, "f"); }),
              "f: nested deeper than 16 levels");
  }
  EXPECT_NO_THROW(parse_strict_json<json>("[[[1]]]", 3, "f"));
  EXPECT_THROW(parse_strict_json<json>("[[[1]]]", 2, "f"), DataError);
}

TEST(StrictJson, RefusesWhatIsNoJson) {
  for (const char* text : {"", "{", "{} x", "[1,]", "\"\xff\"", "1e999", "\xef\xbb\xbf{}x"}) {
    EXPECT_THAT(message_of<DataError>([&] { parse_strict_json<json>(text, 9, "f"); }),
                StartsWith("f: is not valid JSON: "))
        << text;
  }
}

using IndexFile = FilesTest;

TEST_F(IndexFile, MayNotListATensorTwice) {
  put_text(folder_ / "model.safetensors.index.json",
           R"({"weight_map": {"w": "a.safetensors", "w": "b.safetensors"}})");
  EXPECT_THAT(message_of<DataError>([&] { TensorSet::open(folder_); }),
              HasSubstr("index.json: name \"w\" occurs twice"));
}

}  // namespace
}  // namespace lckv::checkpoint
