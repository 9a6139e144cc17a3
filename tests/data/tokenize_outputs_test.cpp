#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <unistd.h>

#include "lckv/base/error.h"
#include "lckv/data/tokenize.h"
#include "test_files.h"

// What tokenize() puts where: never over a text, never two stores in one file, and never half a
// pair.

namespace lckv::data {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kCorpus = R"({"text":"one"}
{"text":"two"}
{"text":"three"}
{"text":"four"}
{"text":"five"}
{"text":"six"}
)";

/// Half of the documents go to the store `validation`; "": none.
TokenizeOptions half_to(const std::string& validation) {
  TokenizeOptions options;
  options.validation_frac = validation.empty() ? 0 : 0.5;
  options.validation_output = validation;
  return options;
}

std::string refusal(const std::vector<std::string>& inputs, const std::string& output,
                    const std::string& validation) {
  return message_of<ConfigError>(
      [&] { tokenize(inputs, *bytes_tokenizer(), output, half_to(validation)); });
}

class TokenizeOutputs : public testing::Test {
 protected:
  TokenizeOutputs() {
    folder_.write("books/a.jsonl", kCorpus);
    folder_.write("books/b.jsonl", kCorpus);
  }
  void expect_texts_untouched() const {
    EXPECT_EQ(read_file(text("a")), kCorpus);
    EXPECT_EQ(read_file(text("b")), kCorpus);
  }
  std::string text(const std::string& name) const {
    return folder_.path("books/" + name + ".jsonl");
  }
  std::string at(const std::string& name) const { return folder_.path(name); }
  TempFolder folder_;
};

TEST_F(TokenizeOutputs, NoStoreReplacesATextOfAnInputFolder) {
  EXPECT_THAT(refusal({at("books")}, text("b"), ""),
              AllOf(HasSubstr(text("b")), HasSubstr("also an input")));
  EXPECT_THAT(refusal({at("books")}, at("t.h5"), text("a")),
              AllOf(HasSubstr(text("a")), HasSubstr("also an input")));
  expect_texts_untouched();
}

TEST_F(TokenizeOutputs, NoStoreReplacesATextThatAPatternNames) {
  EXPECT_THAT(refusal({at("books/*.jsonl")}, at("books/../books/a.jsonl"), ""),
              HasSubstr("also an input"));
  EXPECT_THAT(refusal({text("a")}, at("t.h5"), text("a")), HasSubstr("also an input"));
  expect_texts_untouched();
}

TEST_F(TokenizeOutputs, NoStoreReplacesATextByAnotherOfItsNames) {
  std::filesystem::create_hard_link(text("a"), at("hard"));
  std::filesystem::create_symlink(text("a"), at("soft"));
  for (const char* name : {"hard", "soft"}) {
    EXPECT_THAT(refusal({at("books")}, at(name), ""), HasSubstr("also an input")) << name;
  }
  expect_texts_untouched();
}

TEST_F(TokenizeOutputs, TheTwoStoresAreTwoFilesHoweverTheyAreWritten) {
  std::filesystem::create_directory_symlink(folder_.path(), at("link"));
  for (const char* other : {"v.h5", "./v.h5", "books/../v.h5", "link/v.h5"}) {
    EXPECT_THAT(refusal({at("books")}, at("v.h5"), at(other)),
                HasSubstr("training and as validation store"))
        << other;
  }
  EXPECT_FALSE(std::filesystem::exists(at("v.h5")));
  tokenize({at("books")}, *bytes_tokenizer(), at("v.h5"), half_to(at("books/v.h5")));
}

TEST_F(TokenizeOutputs, ATrainingStoreThatFailsLeavesTheOldPair) {
  tokenize({at("books")}, *bytes_tokenizer(), at("t.h5"), half_to(at("v.h5")));
  const std::string training = read_file(at("t.h5")), validation = read_file(at("v.h5"));
  // The unfinished training store vanishes: it cannot be finished any more.
  const auto lose_training = [&](const TokenizeProgress&) {
    EXPECT_EQ(::unlink(format("{}.{}.tmp", at("t.h5"), ::getpid()).c_str()), 0);
  };
  TokenizeOptions options = half_to(at("v.h5"));
  options.bos = false;  // other stores
  EXPECT_THROW(tokenize({at("books")}, *bytes_tokenizer(), at("t.h5"), options, lose_training),
               IoError);
  EXPECT_TRUE(read_file(at("t.h5")) == training);
  EXPECT_TRUE(read_file(at("v.h5")) == validation);
  EXPECT_THAT(folder_.names(), ElementsAre("books", "t.h5", "v.h5"));
  tokenize({at("books")}, *bytes_tokenizer(), at("t.h5"), options);
  EXPECT_FALSE(read_file(at("t.h5")) == training);
  EXPECT_FALSE(read_file(at("v.h5")) == validation);
}

TEST_F(TokenizeOutputs, AFinishedStoreHasNoNameBeforeItIsPublished) {
  write_store(at("t.h5"), {"old"});
  const std::string old = read_file(at("t.h5"));
  TokenStoreWriter writer(at("t.h5"), *bytes_tokenizer());
  writer.begin_document();
  writer.append(bytes_tokenizer()->encode("newer"));
  writer.finish();
  EXPECT_TRUE(read_file(at("t.h5")) == old);
  writer.publish();
  EXPECT_EQ(TokenStore(at("t.h5")).info().tokens, 5);
  writer.settle();
}

TEST_F(TokenizeOutputs, NoLockOfTheFileIsAskedFor) {
  TokenStoreWriter writer(at("t.h5"), *bytes_tokenizer());
  writer.begin_document();
  writer.append(bytes_tokenizer()->encode("text"));
  // As on a file system that has no locks: somebody else's lock refuses ours.
  const int other = ::open(format("{}.{}.tmp", at("t.h5"), ::getpid()).c_str(), O_RDONLY);
  ASSERT_GE(other, 0);
  ASSERT_EQ(::flock(other, LOCK_EX | LOCK_NB), 0);
  writer.commit();
  EXPECT_EQ(TokenStore(at("t.h5")).info().tokens, 4);
  ::close(other);
}

}  // namespace
}  // namespace lckv::data
