#include "lckv/world/grammar.h"

#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lckv/base/error.h"

namespace lckv::world {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(Grammar, ExpandsSlotsInsideSlotsAndAlternatives) {
  Draw draw(1, "grammar");
  const Slots slots = {{"who", "Mia"}, {"s", "{who} slept"}};
  EXPECT_EQ(expand("[{s}|{s}].", slots, draw), "Mia slept.");
}

TEST(Grammar, DrawsEveryAlternative) {
  Draw draw(1, "grammar");
  std::set<std::string> seen;
  for (int i = 0; i < 200; ++i) seen.insert(expand("a[b|c|]", {}, draw));
  EXPECT_THAT(seen, testing::ElementsAre("a", "ab", "ac"));
}

TEST(Grammar, RefusesAnUnknownSlotAndAnOpenBracketByName) {
  Draw draw(1, "grammar");
  EXPECT_THAT([&] { expand("{nobody} came", {}, draw); },
              ThrowsMessage<InternalError>(HasSubstr("unknown slot {nobody}")));
  EXPECT_THAT([&] { expand("one [two", {}, draw); },
              ThrowsMessage<InternalError>(HasSubstr("no ']' closes column 4")));
}

TEST(Grammar, CapitalisesSentencesAndSpokenSentencesButNotWhatFollowsSpeech) {
  EXPECT_EQ(with_capitals("he ran. \"where is it?\" asked Mia. \"Here,\" he said.\nit rained."),
            "He ran. \"Where is it?\" asked Mia. \"Here,\" he said.\nIt rained.");
}

TEST(Grammar, CapitalisesTheBeginningOfATextLikeTheBeginningOfTheWhole) {
  const std::string text = "the dog barked. \"be quiet!\" said Tom. it was.";
  const std::string whole = with_capitals(text);
  for (size_t length = 0; length <= text.size(); ++length) {
    EXPECT_EQ(with_capitals(text.substr(0, length)), whole.substr(0, length));
  }
}

TEST(Grammar, CountsPiecesBetweenBlanks) {
  EXPECT_EQ(word_count(""), 0u);
  EXPECT_EQ(word_count("  one two\nthree "), 3u);
}

}  // namespace
}  // namespace lckv::world
