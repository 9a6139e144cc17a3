#include "lckv/config/layer_types.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"

namespace lckv::config {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string refusal(const std::string& text, int layers) {
  try {
    parse_layer_types(text, layers);
  } catch (const ConfigError& e) {
    return e.what();
  }
  return "";
}

TEST(LayerTypes, ReadsIndicesAndWindows) {
  EXPECT_THAT(parse_layer_types("1_2s_0", 3),
              ElementsAre(LayerType{1, false}, LayerType{2, true}, LayerType{0, false}));
}

TEST(LayerTypes, EmptyTextIsTheIdentity) {
  EXPECT_EQ(parse_layer_types("", 12), parse_layer_types("0_1_2_3_4_5_6_7_8_9_10_11", 12));
}

TEST(LayerTypes, DoesNotWriteLeadingZerosBack) {
  EXPECT_EQ(to_string(parse_layer_types("000_02s_1", 3)), "0_2s_1");
}

TEST(LayerTypes, WritesWhatItRead) {
  const std::string mix_attention =
      "0_1s_1s_3s_3s_3s_0_7s_7s_9s_9s_9s_12_13s_13s_15s_15s_15s_12_19s_19s_19s";
  EXPECT_EQ(to_string(parse_layer_types(mix_attention, 22)), mix_attention);
}

TEST(LayerTypes, RefusesWhatTheGrammarDoesNotAllow) {
  for (const char* text : {"0_1_x", "0_1_", "_0_1", "0__1", "0_1_2S", "0_1_ 2", "0_1_-1", "0_1_ss",
                           "0_1_s", "0_1_2s2", "0,1,2", " ", "0_1_+2", "0_1_1.0"}) {
    EXPECT_NE(refusal(text, 3), "") << '"' << text << '"';
  }
}

TEST(LayerTypes, RefusesAnIndexThatIsNoLayer) {
  EXPECT_EQ(refusal("0_1_3", 3),
            "layer_types \"0_1_3\": entry 2 \"3\" must be a layer index below num_hidden_layers 3");
  EXPECT_NE(refusal("0_1_4294967296", 3), "");            // 0 in 32 bits
  EXPECT_NE(refusal("0_1_18446744073709551616", 3), "");  // 0 in 64 bits
}

TEST(LayerTypes, RefusesAnotherNumberOfEntriesThanLayers) {
  EXPECT_THAT(refusal("0_1", 3),
              HasSubstr("has 2 entries, must have one for each of the 3 layers"));
  EXPECT_THAT(refusal("0_1_2_2", 3), HasSubstr("has 4 entries"));
}

TEST(LayerTypes, NamesEveryBadEntry) {
  const std::string message = refusal("9_a_2", 3);
  EXPECT_THAT(message, HasSubstr("entry 0 \"9\""));
  EXPECT_THAT(message, HasSubstr("entry 1 \"a\""));
}

}  // namespace
}  // namespace lckv::config
