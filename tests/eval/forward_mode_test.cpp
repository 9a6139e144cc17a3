#include "lckv/eval/forward_mode.h"

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "tiny_model.h"

namespace lckv::eval {
namespace {

TEST(ForwardMode, ReadsEverySpelling) {
  const config::ModelConfig config = tiny_config();
  EXPECT_EQ(parse_forward_mode("iterate", config), ForwardMode::iterate(4));
  EXPECT_EQ(parse_forward_mode("iterate:9", config), ForwardMode::iterate(9));
  EXPECT_EQ(parse_forward_mode("sequential", config), ForwardMode::sequential());
}

TEST(ForwardMode, WritesWhatItReads) {
  for (const char* text : {"iterate:1", "iterate:12", "sequential", "converge:1e-06"}) {
    EXPECT_EQ(parse_forward_mode(text, tiny_config()).text(), text);
  }
  EXPECT_EQ(parse_forward_mode("iterate", tiny_config()).text(), "iterate:4");
}

TEST(ForwardMode, RunsNoMorePassesThanThereAreTokens) {
  EXPECT_EQ(ForwardMode::iterate(9).passes(100), 9);
  EXPECT_EQ(ForwardMode::iterate(9).passes(5), 5);
  EXPECT_EQ(ForwardMode::sequential().passes(100), 100);
}

TEST(ForwardMode, RefusesEverythingElse) {
  for (const char* text : {"", "iterate:", "iterate:0", "iterate:-1", "iterate:9x", "iterate: 9",
                           "iterate9", "iterate:99999999999", "Sequential", "converge:0",
                           "converge:-1", "converge:inf", "converge", "converge:1e-3x"}) {
    test::expect_refusal<ConfigError>(
        [&] { parse_forward_mode(text, tiny_config()); },
        "forward mode '" + std::string(text) + "': expected 'iterate', 'iterate:n'");
  }
}

}  // namespace
}  // namespace lckv::eval
