#include "lckv/eval/document_rows.h"

#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"

namespace lckv::eval {
namespace {

using testing::ElementsAre;

constexpr int32_t kBos = 256;  // of the bytes tokenizer

Document of_prompts(std::vector<Prompt> prompts) {
  Document document;
  document.prompts = std::move(prompts);
  return document;
}

std::vector<PromptRows> rows_of(const char* task, const Document& document,
                                const RowOptions& options, const std::string& prefix = "") {
  const std::string prefixes[] = {prefix};
  return document_rows(find_task(task), {&document, 1}, prefixes, *data::bytes_tokenizer(), options)
      .front();
}

TEST(DocumentRows, HaveTheExamplesInFrontOfEachPromptsOwnContext) {
  const Document document = of_prompts({{"a", " c"}, {"ab ", "d"}});
  const auto prompts = rows_of("winogrande", document, {Compat::kLmEval045, 100, 1}, "x");
  ASSERT_EQ(prompts.size(), 2u);
  EXPECT_THAT(prompts[0].rows, ElementsAre(TokenPair{{'x', 'a', ' ', 'c'}, 2}));
  // White space at the context's end is scored with the continuation.
  EXPECT_THAT(prompts[1].rows, ElementsAre(TokenPair{{'x', 'a', 'b', ' ', 'd'}, 2}));
}

TEST(DocumentRows, HaveBosInFrontInTheHeadsModeAlone) {
  const Document document = of_prompts({{"a", "b"}});
  EXPECT_THAT(rows_of("piqa", document, {Compat::kLmEval045, 100, 1})[0].rows,
              ElementsAre(TokenPair{{'a', 'b'}, 1}));
  EXPECT_THAT(rows_of("piqa", document, {Compat::kLmEvalHead, 100, 1})[0].rows,
              ElementsAre(TokenPair{{kBos, 'a', 'b'}, 1}));
}

TEST(DocumentRows, OfAPageAreItsWindows) {
  const Document page = of_prompts({{"", "abc"}});
  EXPECT_THAT(rows_of("wikitext", page, {Compat::kLmEval045, 2, 1})[0].rows,
              ElementsAre(TokenPair{{kBos, 'a', 'b'}, 2}, TokenPair{{'a', 'b', 'c'}, 1}));
  // The head's tokenizer adds BOS to the page: its probability after BOS counts too.
  EXPECT_THAT(rows_of("wikitext", page, {Compat::kLmEvalHead, 2, 1})[0].rows,
              ElementsAre(TokenPair{{kBos, kBos, 'a'}, 2}, TokenPair{{'a', 'b', 'c'}, 2}));
}

TEST(DocumentRows, WhatCannotBeAskedIsAnErrorOfItsPromptAlone) {
  const auto prompts = rows_of("piqa", of_prompts({{"a", ""}, {"a", "bcde"}, {"a", "b"}}),
                               {Compat::kLmEval045, 3, 1});
  EXPECT_THAT(prompts[0].error, testing::HasSubstr("has 0 tokens, expected 1 to 3"));
  EXPECT_THAT(prompts[0].rows, testing::IsEmpty());
  EXPECT_THAT(prompts[1].error, testing::HasSubstr("'bcde' has 4 tokens, expected 1 to 3"));
  EXPECT_EQ(prompts[2].error, "");
  EXPECT_EQ(prompts[2].rows.size(), 1u);
}

TEST(DocumentRows, DoNotDependOnThreads) {
  std::vector<Document> documents;
  for (int i = 0; i < 300; ++i) documents.push_back(of_prompts({{"q" + std::to_string(i), " a"}}));
  const std::vector<std::string> prefixes(documents.size());
  const auto run = [&](int threads) {
    return document_rows(find_task("piqa"), documents, prefixes, *data::bytes_tokenizer(),
                         {Compat::kLmEval045, 100, threads});
  };
  const auto one = run(1), three = run(3);
  ASSERT_EQ(one.size(), 300u);
  for (size_t i = 0; i < one.size(); ++i) {
    EXPECT_EQ(one[i].front().rows, three[i].front().rows);
    EXPECT_EQ(
        one[i].front().rows.front(),
        encode_pair(*data::bytes_tokenizer(), documents[i].prompts[0].context, " a", {false, 100}));
  }
}

}  // namespace
}  // namespace lckv::eval
