#include "harness_documents.h"
#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

using testing::ElementsAre;

class RawFormats : public WrittenFiles {
 protected:
  Document one(const std::string& task, const std::string& line) const {
    return read(task, line).front();
  }
  void expect_refused(const std::string& task, const std::string& line,
                      const std::string& message) const {
    test::expect_refusal<DataError>([&] { read(task, line); }, path("d.jsonl") + ":1: " + message);
  }
};

TEST_F(RawFormats, HellaswagIsCleanedAndItsLabelIsATextOrANumber) {
  const auto documents = read("hellaswag", kHellaswag);
  ASSERT_EQ(documents.size(), 2u);
  EXPECT_EQ(documents[0].prompts[1],
            (Prompt{"Removing ice from car: A man sits. The dj plays", " on ice. Then he goes."}));
  EXPECT_EQ(documents[0].choices.back(), "É ");
  EXPECT_EQ(documents[0].gold, 3u);
  EXPECT_EQ(documents[0].target, "3");
  EXPECT_EQ(documents[1].gold, 1u);
  EXPECT_EQ(documents[1].prompts[0].context, "Cooking: How to cook");
  EXPECT_EQ(documents[1].place, path("d.jsonl") + ":3");
}

TEST_F(RawFormats, HellaswagAsksAnEndingOfNothingButMarksAsABlank) {
  const Document document = one(
      "hellaswag", R"({"activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["[x]", "d"],)"
                   R"( "label": 0})");
  EXPECT_EQ(document.prompts[0].continuation, " ");
  EXPECT_EQ(document.choices[0], "");
}

TEST_F(RawFormats, OpenbookqaLooksItsKeyUpInTheLabels) {
  const auto documents = read("openbookqa", kOpenbookqa);
  EXPECT_EQ(documents[0].prompts[3],
            (Prompt{"The sun is responsible for", " plants sprouting, blooming and wilting"}));
  EXPECT_EQ(documents[0].gold, 3u);
  EXPECT_EQ(documents[1].gold, 0u);  // " A"
  EXPECT_EQ(documents[2].prompts[1], (Prompt{"A cat has", " two"}));
  EXPECT_EQ(documents[2].gold, 1u);
}

TEST_F(RawFormats, WinograndePutsTheOptionsIntoTheContext) {
  const auto documents = read("winogrande", kWinogrande);
  EXPECT_THAT(documents[0].prompts,
              ElementsAre(Prompt{"Sarah was a much better surgeon than Maria so Sarah",
                                 " always got the easier cases."},
                          Prompt{"Sarah was a much better surgeon than Maria so Maria",
                                 " always got the easier cases."}));
  EXPECT_EQ(documents[0].gold, 1u);
  EXPECT_EQ(documents[0].target, "always got the easier cases.");
  EXPECT_EQ(documents[1].prompts[0].continuation, " , it was too “big”.");
  // The first blank is the one that is filled in.
  EXPECT_EQ(documents[2].prompts[0], (Prompt{"Ida", " paid José back and _ left."}));
}

TEST_F(RawFormats, ArcHasThreeToFiveChoicesLabelledByLettersOrDigits) {
  const auto documents = read("arc_challenge", kArc);
  EXPECT_EQ(documents[0].prompts.size(), 3u);
  EXPECT_EQ(documents[1].prompts[4], (Prompt{"Question: 2 + 2 = ?\nAnswer:", " twenty-two"}));
  EXPECT_EQ(documents[1].gold, 1u);
  EXPECT_EQ(documents[2].prompts[0].continuation, " honey, mostly");
  expect_refused(
      "arc_easy",
      R"({"question": "", "choices": {"text": ["a", "b"], "label": ["A", "B"]}, "answerKey": "C"})",
      "field 'answerKey': 'C' is none of the labels A, B");
  expect_refused(
      "arc_easy",
      R"({"question": "Q", "choices": {"text": ["a", "b"], "label": ["A"]}, "answerKey": "A"})",
      "field 'choices.label': 1 labels of 2 texts");
  expect_refused("arc_easy",
                 R"({"question": {"stem": "Q", "choices": [{"text": "a"}]}, "answerKey": "A"})",
                 "field 'question.choices[0].label' is missing");
}

TEST_F(RawFormats, BoolqOfGoogleHasItsTitleApart) {
  const std::string context = "T -- P [x]\nQuestion: is it?\nAnswer:";
  for (const char* line :
       {R"({"question": "is it", "passage": "T -- P [x]", "idx": 0, "label": 1})",
        R"({"question": "is it", "passage": "T -- P [x]", "idx": 0, "label": true})",
        R"({"question": "is it", "title": "T", "answer": true, "passage": "P [x]"})"}) {
    const Document document = one("boolq", line);
    EXPECT_THAT(document.prompts, ElementsAre(Prompt{context, " no"}, Prompt{context, " yes"}));
    EXPECT_EQ(document.gold, 1u);
    EXPECT_EQ(document.target, "1");
  }
  expect_refused("boolq", R"({"question": "q", "passage": "p", "label": -1})",
                 "field 'label': -1 is outside the choices [0, 2)");
}

TEST_F(RawFormats, SciqKeepsTheNewlineBehindAnEmptySupport) {
  const std::string rest = R"("question": "Q", "distractor1": "a", "distractor2": "b",)"
                           R"( "distractor3": "c", "correct_answer": "d"})";
  EXPECT_EQ(one("sciq", R"({"support": "", )" + rest).prompts[3],
            (Prompt{"\nQuestion: Q\nAnswer:", " d"}));
  const Document document = one("sciq", R"({"support": "\n S ", )" + rest);
  EXPECT_EQ(document.prompts[0], (Prompt{"S \nQuestion: Q\nAnswer:", " a"}));
  EXPECT_EQ(document.gold, 3u);
}

TEST_F(RawFormats, LambadaSplitsAtTheLastBlank) {
  EXPECT_THAT(one("lambada_openai", R"({"text": "he said\n to  her"})").prompts,
              ElementsAre(Prompt{"he said\n to ", " her"}));
  EXPECT_THAT(one("lambada_openai", R"({"text": "her"})").prompts, ElementsAre(Prompt{"", " her"}));
  expect_refused("lambada_openai", R"({"text": ""})", "field 'text': is empty");
}

TEST_F(RawFormats, WikitextCountsThePageBeforeItIsDetokenized) {
  const Document document = one("wikitext", R"({"page": " = É = \n a , b \n"})");
  EXPECT_THAT(document.prompts, ElementsAre(Prompt{"", " = É =\na, b\n"}));
  EXPECT_EQ(document.words, 8);
  EXPECT_EQ(document.bytes, 17);
  EXPECT_TRUE(document.choices.empty());
}

TEST_F(RawFormats, QuestionsMayLackTheRightAnswer) {
  const auto documents =
      read("questions", R"({"query": "", "choices": ["b", "c"], "gold": 1, "kind": "k"})"
                        "\n"
                        R"({"query": "A", "choices": ["b", "c"]})");
  EXPECT_EQ(documents[0].gold, 1u);
  EXPECT_EQ(documents[0].kind, "k");
  EXPECT_EQ(documents[1].gold, std::nullopt);
  EXPECT_EQ(documents[1].prompts[1], (Prompt{"A", " c"}));
}

TEST_F(RawFormats, RefusesWhatCannotBeAsked) {
  expect_refused("piqa", R"({"goal": "g", "sol1": "a", "sol2": "", "label": 0})",
                 "field 'sol2': is empty, expected a choice");
  expect_refused("piqa", R"({"goal": 5, "sol1": "a", "sol2": "b", "label": 0})",
                 "field 'goal': expected a text, got number");
  expect_refused("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": "yes"})",
                 "field 'label': expected an index, got \"yes\"");
  expect_refused("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b", "label": "2"})",
                 "field 'label': 2 is outside the choices [0, 2)");
  expect_refused(
      "openbookqa",
      R"({"question_stem": "q", "choices": {"text": [], "label": []}, "answerKey": "A"})",
      "field 'choices': 0 choices, expected at least 2");
  expect_refused("winogrande",
                 R"({"sentence": "no blank", "option1": "a", "option2": "b", "answer": "1"})",
                 "field 'sentence': 'no blank' has no blank '_' to fill in");
  expect_refused("winogrande",
                 R"({"sentence": "He is _ ", "option1": "a", "option2": "b", "answer": "1"})",
                 "field 'sentence': 'He is _ ' ends at its blank");
  expect_refused("winogrande",
                 R"({"sentence": "_ is", "option1": "a", "option2": "b", "answer": ""})",
                 "field 'answer': expected \"1\" or \"2\", got \"\"");
  expect_refused("hellaswag",
                 R"({"activity_label": "a", "ctx_a": "b", "ctx_b": "xΣ", "endings": ["c", "d"],)"
                 R"( "label": 0})",
                 "field 'ctx_b': a capital sigma");
}

class ReadDocuments : public WrittenFiles {
 protected:
  std::vector<Document> read_piqa(const std::string& labels) const {
    const std::string lines =
        "{\"goal\": \"g\", \"sol1\": \"a\", \"sol2\": \"b\"}\n"
        "\n{\"goal\": \"h\", \"sol1\": \"a\", \"sol2\": \"b\"}\n";
    write("valid-labels.lst", labels);
    return read_documents(find_task("piqa"), {write("valid.jsonl", lines), ""});
  }
};

TEST_F(ReadDocuments, TakesLabelsFromTheFileBesideWhereTheLinesHaveNone) {
  const auto documents = read_piqa("1\n0\n");
  EXPECT_EQ(documents[0].gold, 1u);
  EXPECT_EQ(documents[1].gold, 0u);
  EXPECT_THAT(documents[0].json, testing::HasSubstr("\"label\": 1"));
  const std::string given = write("other.lst", "0\n0");
  EXPECT_EQ(read_documents(find_task("piqa"), {path("valid.jsonl"), given})[0].gold, 0u);
}

TEST_F(ReadDocuments, RefusesLabelsThatAreNotAsManyAsDocuments) {
  test::expect_refusal<DataError>(
      [&] { read_piqa("1\n"); },
      path("valid-labels.lst") + ": has 1 labels, none for " + path("valid.jsonl") + ":3");
  test::expect_refusal<DataError>(
      [&] { read_piqa("1\n0\n\n1\n"); },
      path("valid-labels.lst") + ":4: a label more than the 2 documents");
  test::expect_refusal<DataError>(
      [&] { read_piqa("1\n2\n"); },
      path("valid-labels.lst") + ":2: expected the label 0 or 1, got '2'");
}

TEST_F(ReadDocuments, NamesTheLabelsThatItLookedFor) {
  test::expect_refusal<DataError>(
      [&] { read("piqa", R"({"goal": "g", "sol1": "a", "sol2": "b"})"); },
      "d.jsonl:1: field 'label' is missing, and there is no " + path("d-labels.lst"));
}

TEST_F(ReadDocuments, RefusesLabelsOfATaskThatHasThemInItsLines) {
  const std::string file = write("d.jsonl", kWinogrande);
  test::expect_refusal<ConfigError>(
      [&] {
        read_documents(find_task("winogrande"), {file, file});
      },
      "task winogrande has its labels in its own file");
}

TEST_F(ReadDocuments, NamesTheLineOfWhatIsNoDocument) {
  test::expect_refusal<DataError>([&] { read("wikitext", "{\"page\": \"a\"}\n{\"page\": "); },
                                  "d.jsonl:2: not JSON");
  test::expect_refusal<DataError>([&] { read("wikitext", "[]"); },
                                  "d.jsonl:1: expected a JSON object, got array");
  test::expect_refusal<DataError>([&] { read("wikitext", "{\"page\": \"\xFF\"}"); },
                                  "d.jsonl: line 1, byte 10: 0xFF is not valid UTF-8");
  test::expect_refusal<DataError>([&] { read("wikitext", "\n"); },
                                  "d.jsonl: holds no document of task wikitext");
  test::expect_refusal<DataError>([&] { read("wikitext", ""); }, "is empty");
  test::expect_refusal<IoError>(
      [&] {
        read_documents(find_task("piqa"), {path("none.jsonl"), ""});
      },
      "none.jsonl");
}

}  // namespace
}  // namespace lckv::eval
