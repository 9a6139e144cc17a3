#include "lckv/world/corpus.h"

#include <fstream>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "support.h"

namespace lckv::world {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::HasSubstr;
using testing::ThrowsMessage;

class Corpus : public testing::Test {
 protected:
  fs::path folder(const std::string& name) const {
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    return fs::path(testing::TempDir()) / (std::string("world_") + test->name()) / name;
  }
  void SetUp() override { fs::remove_all(folder("")); }
  void TearDown() override { fs::remove_all(folder("")); }
};

TEST_F(Corpus, HasTheSizesAskedForInValidJson) {
  write_corpus(folder("a"), World{}, {.stories = 150, .questions = 40});
  const std::map<std::string, size_t> stories = {{"train.jsonl", 150}, {"validation.jsonl", 3}};
  for (const auto& [file, count] : stories) {
    const auto lines = lines_of(folder("a") / file);
    EXPECT_EQ(lines.size(), count) << file;
    for (const std::string& line : lines) {
      const json record = json::parse(line);
      EXPECT_EQ(record.size(), 1u);
      EXPECT_GT(record.at("text").get<std::string>().size(), 100u);
    }
  }
  const auto lines = lines_of(folder("a") / "questions.jsonl");
  EXPECT_EQ(lines.size(), 40u);
  std::set<std::string> kinds;
  for (const std::string& line : lines) {
    const json record = json::parse(line);
    EXPECT_EQ(record.size(), 4u);
    EXPECT_GT(record.at("query").get<std::string>().size(), 50u);
    EXPECT_EQ(record.at("choices").get<std::vector<std::string>>().size(), 4u);
    EXPECT_LT(record.at("gold").get<unsigned>(), 4u);
    kinds.insert(record.at("kind").get<std::string>());
  }
  EXPECT_THAT(kinds, testing::ElementsAre("what", "where", "who", "why"));
}

TEST_F(Corpus, IsEqualForEqualArguments) {
  for (const char* name : {"a", "b"}) write_corpus(folder(name), World{.seed = 4}, {60, 12});
  for (const char* file : {"train.jsonl", "validation.jsonl", "questions.jsonl"}) {
    EXPECT_EQ(lines_of(folder("a") / file), lines_of(folder("b") / file)) << file;
  }
}

TEST_F(Corpus, BeginsLikeALargerOneOfTheSameSeed) {
  write_corpus(folder("small"), World{}, {.stories = 20, .questions = 8});
  write_corpus(folder("large"), World{}, {.stories = 40, .questions = 16});
  for (const char* file : {"train.jsonl", "questions.jsonl"}) {
    const auto small = lines_of(folder("small") / file);
    auto large = lines_of(folder("large") / file);
    large.resize(small.size());
    EXPECT_EQ(small, large) << file;
  }
}

TEST_F(Corpus, RefusesSizesItCannotHonour) {
  EXPECT_THAT([&] { write_corpus(folder("a"), World{}, {.stories = 0}); },
              ThrowsMessage<ConfigError>(HasSubstr("--stories must be at least 1")));
  EXPECT_THAT([&] { write_corpus(folder("a"), World{.held_out_frac = 0.9}, {}); },
              ThrowsMessage<ConfigError>(HasSubstr("[0.002, 0.5], not 0.9")));
  EXPECT_FALSE(fs::exists(folder("a")));
}

TEST_F(Corpus, NamesTheFolderItCannotMake) {
  fs::create_directories(folder(""));
  std::ofstream(folder("file")) << "in the way";
  EXPECT_THAT([&] { write_corpus(folder("file") / "corpus", World{}, {.stories = 1}); },
              ThrowsMessage<IoError>(HasSubstr("file/corpus")));
}

}  // namespace
}  // namespace lckv::world
