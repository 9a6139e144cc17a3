#include "lckv/world/story.h"

#include <cctype>
#include <cmath>
#include <set>

#include <gtest/gtest.h>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "support.h"

namespace lckv::world {
namespace {

constexpr uint64_t kStories = 3000;

std::string lower(std::string text) {
  for (char& c : text) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return text;
}

TEST(Story, IsAFunctionOfSeedAndIndex) {
  const World world{.seed = 5};
  EXPECT_EQ(world.training_story(17), World{.seed = 5}.training_story(17));
  EXPECT_NE(world.training_story(17), world.training_story(18));
  EXPECT_NE(world.training_story(17), World{.seed = 6}.training_story(17));
  EXPECT_NE(world.training_story(17), world.validation_story(17));
}

TEST(Story, HasFortyToOneHundredAndTwentyWords) {
  const World world;
  for (uint64_t i = 0; i < kStories; ++i) {
    const std::string story = world.training_story(i);
    EXPECT_GE(word_count(story), 40u) << story;
    EXPECT_LE(word_count(story), 120u) << story;
  }
}

TEST(Story, UsesFewerThanFifteenHundredWordsAndPlainLetters) {
  std::set<std::string> words;
  std::string word;
  for (const char c : lower(training_text(World{}, kStories))) {
    ASSERT_TRUE(c == '\n' || (c >= ' ' && c <= '~')) << "character " << static_cast<int>(c);
    ASSERT_EQ(std::string("{}[]|").find(c), std::string::npos)
        << "left over from a template: " << c;
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += c;
    } else if (!word.empty()) {
      words.insert(word);
      word.clear();
    }
  }
  EXPECT_GT(words.size(), 500u);
  EXPECT_LT(words.size(), 1500u);
}

TEST(Story, SaysEveryFactOfTheWorldInTraining) {
  // A fact that training never states cannot be asked for.
  const std::string text = lower(training_text(World{}, kStories));
  for (const Relation& relation : relations()) {
    for (const Fact& fact : relation.facts) {
      if (fact.answer.find('{') != std::string::npos) continue;
      EXPECT_NE(text.find(fact.answer), std::string::npos) << relation.name << ": " << fact.answer;
    }
  }
}

TEST(Scene, NamesItsPersonAndSubjectBeforeTheAnswer) {
  // So a scene's words show its facts, and held-out facts cannot hide in the words of others.
  Draw draw(3, "scenes");
  for (const Relation& relation : relations()) {
    for (int i = 0; i < 300; ++i) {
      const Cast cast = draw_cast(draw);
      const Scene scene = draw_scene(relation, cast, draw);
      const auto facts = split(scene.facts, '|');
      ASSERT_EQ(facts.size(), 4u);
      EXPECT_NE(scene.before.find(cast.who.name), std::string::npos) << scene.before;
      EXPECT_NE(lower(scene.before).find(lower(facts[2])), std::string::npos) << scene.before;
    }
  }
}

TEST(Scene, HasUniqueFactsWithAtLeastFourAnswersPerRelation) {
  for (const Relation& relation : relations()) {
    std::set<std::string> subjects, answers;
    for (const Fact& fact : relation.facts) {
      EXPECT_TRUE(subjects.insert(fact.subject).second) << relation.name << ": " << fact.subject;
      answers.insert(fact.answer);
    }
    if (!relation.is_told()) {
      EXPECT_GE(answers.size(), 4u) << relation.name;
    }
  }
}

TEST(HeldOut, KeepsBackTheFractionAskedForAndNothingElse) {
  constexpr int kDraws = 50'000;
  constexpr double kFrac = 0.02;
  int held_out = 0;
  for (int i = 0; i < kDraws; ++i)
    held_out += is_held_out(format("a relation|{}", i), kFrac) ? 1 : 0;
  const double deviation = std::sqrt(kDraws * kFrac * (1 - kFrac));
  EXPECT_NEAR(held_out, kDraws * kFrac, 5 * deviation);
  EXPECT_FALSE(is_held_out("a relation|1", 0.0));
  EXPECT_TRUE(is_held_out("a relation|1", 1.0));
}

TEST(HeldOut, IsRefusedWhenNothingIsHeldOutOrNothingIsLeft) {
  Draw draw(1, "held out");
  EXPECT_THROW(draw_open_story(relations().front(), 0.0, draw), ConfigError);
  EXPECT_THROW((World{.held_out_frac = 1.0}.training_story(0)), ConfigError);
}

}  // namespace
}  // namespace lckv::world
