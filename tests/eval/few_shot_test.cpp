#include "lckv/eval/few_shot.h"

#include "harness_documents.h"
#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

using testing::ElementsAre;

/// The first five indices drawn for the first two documents.
std::vector<size_t> first_five_of_two(const char* task, size_t pool, int64_t shots) {
  const std::vector<Document> documents(pool);
  FewShot few_shot(find_task(task), documents, shots);
  std::vector<size_t> all;
  for (int i = 0; i < 2; ++i) {
    const auto drawn = few_shot.draw();
    all.insert(all.end(), drawn.begin(), drawn.begin() + 5);
  }
  return all;
}

TEST(FewShot, DrawsTheExamplesOfTheHarness) {
  EXPECT_THAT(first_five_of_two("hellaswag", 39905, 10),
              ElementsAre(28883, 7657, 490, 5940, 38156, 2019, 1038, 22681, 31735, 30379));
  EXPECT_THAT(first_five_of_two("winogrande", 40398, 5),
              ElementsAre(28883, 7657, 490, 5940, 38156, 5500, 6450, 23241, 15519, 1142));
  EXPECT_THAT(first_five_of_two("boolq", 9427, 5),
              ElementsAre(7220, 1914, 122, 1485, 572, 1612, 5810, 3879, 285, 504));
  EXPECT_THAT(first_five_of_two("piqa", 16113, 5),
              ElementsAre(15834, 12749, 7220, 1914, 122, 14925, 15442, 15388, 13221, 9539));
  EXPECT_THAT(first_five_of_two("arc_easy", 2251, 5),
              ElementsAre(1805, 478, 30, 371, 143, 343, 403, 1452, 969, 71));
  EXPECT_THAT(first_five_of_two("arc_challenge", 1119, 25),
              ElementsAre(902, 239, 15, 185, 71, 954, 140, 182, 1054, 94));
  EXPECT_THAT(first_five_of_two("openbookqa", 4957, 5),
              ElementsAre(3610, 957, 61, 742, 4769, 286, 687, 806, 2905, 1939));
  EXPECT_THAT(first_five_of_two("sciq", 11679, 5),
              ElementsAre(7220, 1914, 122, 1485, 9539, 572, 11002, 11355, 1375, 1612));
}

class FewShotTexts : public WrittenFiles {};

TEST_F(FewShotTexts, AreTheExamplesWithTheirRightAnswers) {
  // Drawn two at a time by Random(1234).sample; a document is never its own example.
  const auto pool = read("piqa", kPiqa);
  FewShot few_shot(find_task("piqa"), pool, 1);
  EXPECT_EQ(few_shot.next(pool[0]), "Question: Boil eggs\n\nAnswer: in water\n\n");
  EXPECT_EQ(few_shot.next(pool[1]), "Question: Cut bread\nAnswer: with a knife\n\n");
  EXPECT_EQ(few_shot.next(pool[2]), "Question: Cut bread\nAnswer: with a knife\n\n");
}

TEST_F(FewShotTexts, OfWinograndeAreWholeSentences) {
  const auto pool = read("winogrande", kWinogrande);
  FewShot few_shot(find_task("winogrande"), pool, 1);
  EXPECT_EQ(few_shot.next(pool[0]), "The cup did not fit the box , it was too “big”.\n\n");
  EXPECT_EQ(few_shot.next(pool[1]),
            "Sarah was a much better surgeon than Maria so Maria always got the easier cases.\n\n");
}

TEST_F(FewShotTexts, OfLambadaHaveTheBlankTwice) {
  const auto pool = read("lambada_openai", "{\"text\": \"one two\"}");
  Document other;
  EXPECT_EQ(FewShot(find_task("lambada_openai"), pool, 1).next(other), "one  two\n\n");
}

TEST_F(FewShotTexts, AreNoneWithoutShots) {
  FewShot few_shot(find_task("piqa"), {}, 0);
  EXPECT_EQ(few_shot.next(read("piqa", kPiqa)[0]), "");
}

TEST_F(FewShotTexts, ComeFromAnotherStreamForAnotherSeed) {
  const std::vector<Document> pool(1000);
  FewShot first(find_task("sciq"), pool, 5, 1), second(find_task("sciq"), pool, 5, 2);
  EXPECT_NE(first.draw(), second.draw());
}

TEST_F(FewShotTexts, RefusePoolsThatAreTooSmallAndTasksThatTakeNone) {
  const auto pool = read("piqa", kPiqa);
  EXPECT_NO_THROW(FewShot(find_task("piqa"), pool, 2));
  test::expect_refusal<DataError>(
      [&] { FewShot(find_task("piqa"), pool, 3); },
      "task piqa: 3 shots draw 4 examples at a time, the training split has 3");
  test::expect_refusal<ConfigError>([&] { FewShot(find_task("wikitext"), pool, 1); },
                                    "task wikitext scores whole pages and takes no examples");
}

TEST_F(FewShotTexts, RefuseAnExampleWhoseRightAnswerIsNotKnown) {
  const auto pool = read("questions", R"({"query": "A", "choices": ["b", "c"]})");
  FewShot few_shot(find_task("questions"), pool, 1);
  test::expect_refusal<DataError>([&] { few_shot.next(Document()); },
                                  "d.jsonl:1: an example needs its right answer, 'gold'");
}

}  // namespace
}  // namespace lckv::eval
