#include "lckv/world/question.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <map>
#include <regex>
#include <set>

#include <gtest/gtest.h>

#include "lckv/world/names.h"
#include "support.h"

namespace lckv::world {
namespace {

constexpr uint64_t kStories = 4000;
constexpr uint64_t kQuestions = 400;

const std::string& training() {
  static const std::string text = training_text(World{}, kStories);
  return text;
}

const std::vector<Question>& asked() {
  static const std::vector<Question> all = questions(World{}, kQuestions);
  return all;
}

bool occurs(const std::string& part, const std::string& text) {
  return text.find(part) != std::string::npos;
}

/// Every person's name becomes "@": what is left is what the scene says about anybody.
std::string without_names(const std::string& text) {
  static const std::set<std::string> names = [] {
    std::set<std::string> all;
    for (const Person& person : people()) all.insert(person.name);
    return all;
  }();
  std::string result, word;
  const auto end_word = [&] {
    result += names.contains(word) ? "@" : word;
    word.clear();
  };
  for (const char c : text) {
    if (std::isalpha(static_cast<unsigned char>(c))) {
      word += c;
    } else {
      end_word();
      result += c;
    }
  }
  end_word();
  return result;
}

std::string first_group(const std::string& text, const std::string& pattern) {
  std::smatch match;
  if (!std::regex_search(text, match, std::regex(pattern))) return "";
  for (size_t i = 1; i < match.size(); ++i) {
    if (match[i].matched) return match[i];
  }
  return "";
}

/// The right answer of a told scene, worked out from its words alone.
std::string read_answer(const std::string& relation, const std::string& words) {
  if (relation == "where put") return first_group(words, "(?:put|left|hid) the \\w+ in the (\\w+)");
  if (relation == "where went") {
    const std::string whom = first_group(words, "looked for (\\w+)|Where is (\\w+)");
    return first_group(words, whom + " (?:went to|was in) the (\\w+)");
  }
  if (relation == "who has") {
    return first_group(words, "gave the \\w+ to (\\w+)|gave (\\w+) the|sold a \\w+ to (\\w+)");
  }
  if (relation == "what carried") {
    const std::string whose = first_group(words, "There (\\w+) played|(\\w+) took the");
    return first_group(words, whose + " (?:had|brought) a (\\w+)");
  }
  const std::string what = first_group(words, "liked the (\\w+)|saw that the (\\w+)");
  return first_group(words, "painted the " + what + " (\\w+)|had a (\\w+) " + what);
}

TEST(Question, IsAFunctionOfSeedAndIndex) {
  const Question again = make_question(World{}, 9);
  EXPECT_EQ(again.query, asked()[9].query);
  EXPECT_EQ(again.choices, asked()[9].choices);
  EXPECT_EQ(again.gold, asked()[9].gold);
  EXPECT_NE(make_question(World{.seed = 2}, 9).query, asked()[9].query);
}

TEST(Question, HasFourDifferentChoicesAndAQueryThatEndsBeforeTheAnswer) {
  std::set<std::string> queries;
  for (const Question& question : asked()) {
    EXPECT_TRUE(queries.insert(question.query).second) << question.query;
    EXPECT_NE(question.query.back(), ' ');
    EXPECT_EQ(question.choices.size(), 4u);
    EXPECT_EQ(std::set(question.choices.begin(), question.choices.end()).size(), 4u);
    EXPECT_EQ(question.choices.at(question.gold), question.scene.answer);
  }
}

TEST(Question, HasExactlyOneChoiceThatFitsTheScene) {
  for (const Question& question : asked()) {
    if (!question.scene.relation->is_told()) continue;
    EXPECT_EQ(read_answer(question.scene.relation->name, question.scene.before),
              question.choices[question.gold])
        << question.query;
  }
}

TEST(Question, HasExactlyOneChoiceThatTheTrainingTextConfirms) {
  // World knowledge as a reader of the training text has it: the scene's words, about anybody.
  const std::string said = without_names(training());
  int world_questions = 0, confirmed = 0;
  for (const Question& question : asked()) {
    if (question.scene.relation->is_told()) continue;
    ++world_questions;
    for (size_t i = 0; i < question.choices.size(); ++i) {
      const std::string words = without_names(question.scene.before + " " + question.choices[i]);
      const bool found = std::ranges::any_of(
          std::array{".", ",", ";"}, [&](const char* end) { return occurs(words + end, said); });
      confirmed += found ? 1 : 0;
      if (i != question.gold) {
        EXPECT_FALSE(found) << words;
      }
    }
  }
  EXPECT_GT(confirmed, world_questions * 3 / 4) << "of " << world_questions;
}

TEST(Question, AsksForScenesThatTrainingNeverShows) {
  for (const Question& question : asked()) {
    EXPECT_FALSE(occurs(question.query, training())) << question.query;
    EXPECT_FALSE(occurs(question.scene.before, training())) << question.scene.before;
  }
}

TEST(Question, OfAnotherSeedStillFitsTheTrainingText) {
  for (const Question& question : questions(World{.seed = 77}, 100)) {
    EXPECT_FALSE(occurs(question.scene.before, training())) << question.scene.before;
  }
}

TEST(Question, PutsTheRightChoiceEquallyOftenInEveryPlace) {
  std::array<uint64_t, 4> count = {};
  for (const Question& question : asked()) ++count.at(question.gold);
  for (const uint64_t places : count) EXPECT_EQ(places, kQuestions / 4);
}

TEST(Question, AsksEveryRelationEquallyOften) {
  std::map<std::string, uint64_t> count;
  for (const Question& question : asked()) ++count[question.scene.relation->name];
  EXPECT_EQ(count.size(), relations().size());
  for (const auto& [name, questions_asked] : count) {
    EXPECT_NEAR(questions_asked, double(kQuestions) / relations().size(), 1) << name;
  }
}

TEST(Question, CannotBeAnsweredByTheMostFrequentChoice) {
  std::map<std::string, size_t> occurrences;
  const auto how_often = [&](const std::string& choice) {
    const auto [entry, is_new] = occurrences.try_emplace(choice, 0);
    for (size_t at = 0; is_new && (at = training().find(choice, at)) != std::string::npos; ++at) {
      ++entry->second;
    }
    return entry->second;
  };
  size_t right = 0;
  for (const Question& question : asked()) {
    const auto best = std::ranges::max_element(question.choices, {}, how_often);
    right += *best == question.choices[question.gold] ? 1 : 0;
  }
  EXPECT_LT(right, kQuestions * 2 / 5);
}

TEST(Question, CannotBeAnsweredByTheLongestOrShortestChoice) {
  size_t longest = 0, shortest = 0;
  for (const Question& question : asked()) {
    const auto [low, high] = std::ranges::minmax_element(question.choices, {}, &std::string::size);
    longest += *high == question.choices[question.gold] ? 1 : 0;
    shortest += *low == question.choices[question.gold] ? 1 : 0;
  }
  EXPECT_LT(longest, kQuestions * 2 / 5);
  EXPECT_LT(shortest, kQuestions * 2 / 5);
}

TEST(Question, CannotBeAnsweredByHowOftenAChoiceIsOffered) {
  // Would show wrong choices that are drawn from fewer answers than the right ones.
  const std::vector<Question> many = questions(World{.held_out_frac = 0.3}, 2000);
  std::map<std::string, size_t> offered;
  for (const Question& question : many) {
    for (const std::string& choice : question.choices) ++offered[choice];
  }
  size_t rarest = 0, commonest = 0;
  for (const Question& question : many) {
    const auto [low, high] = std::ranges::minmax_element(
        question.choices, {}, [&](const std::string& choice) { return offered.at(choice); });
    rarest += *low == question.choices[question.gold] ? 1 : 0;
    commonest += *high == question.choices[question.gold] ? 1 : 0;
  }
  EXPECT_LT(rarest, many.size() * 2 / 5);
  EXPECT_LT(commonest, many.size() * 2 / 5);
}

}  // namespace
}  // namespace lckv::world
