#include "lckv/base/error.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

class Questions : public WrittenFiles {
 protected:
  void expect_refused(const std::string& text, const std::string& message) const {
    test::expect_refusal<DataError>([&] { read("questions", text); }, path("d.jsonl") + message);
  }
};

constexpr const char* kGood = R"({"query": "A", "choices": ["b", "c"]})"
                              "\n";

TEST_F(Questions, ReadsEveryField) {
  const auto questions = read(
      "questions",
      R"({"query": "Größe?", "choices": ["ja", "nein", " "], "gold": 2, "kind": "what", "id": 7})"
      "\n\n"
      R"({"query": "", "choices": ["b", "c"]})");
  ASSERT_EQ(questions.size(), 2u);
  EXPECT_EQ(questions[0].prompts[2], (Prompt{"Größe?", "  "}));
  EXPECT_EQ(questions[0].choices, (std::vector<std::string>{"ja", "nein", " "}));
  EXPECT_EQ(questions[0].gold, 2u);
  EXPECT_EQ(questions[0].kind, "what");
  EXPECT_EQ(questions[1].gold, std::nullopt);
  EXPECT_EQ(questions[1].kind, "");
  EXPECT_EQ(questions[1].place, path("d.jsonl") + ":3");
}

TEST_F(Questions, RefusesWhatIsNotJsonNamingTheLine) {
  expect_refused(kGood + std::string("{\"query\": "), ":2: not JSON");
  expect_refused("[1]", ":1: expected a JSON object, got array");
}

TEST_F(Questions, RefusesFieldsThatAreMissingOrOfTheWrongType) {
  expect_refused(R"({"choices": ["b", "c"]})", ":1: field 'query' is missing");
  expect_refused(R"({"query": "A"})", ":1: field 'choices' is missing");
  expect_refused(R"({"query": 1, "choices": ["b", "c"]})",
                 ":1: field 'query': expected a text, got number");
  expect_refused(R"({"query": "A", "choices": "bc"})",
                 ":1: field 'choices': expected a list, got string");
  expect_refused(R"({"query": "A", "choices": ["b", 2]})",
                 ":1: field 'choices': expected a text, got number");
  expect_refused(R"({"query": "A", "choices": ["b", "c"], "kind": null})",
                 ":1: field 'kind': expected a text, got null");
}

TEST_F(Questions, RefusesChoicesThatLeaveNothingToChoose) {
  expect_refused(R"({"query": "A", "choices": []})",
                 ":1: field 'choices': 0 choices, expected at least 2");
  expect_refused(R"({"query": "A", "choices": ["b"]})", ":1: field 'choices': 1 choices");
  expect_refused(R"({"query": "A", "choices": ["b", ""]})",
                 ":1: field 'choices': choice 1 is empty");
}

TEST_F(Questions, RefusesGoldOutsideTheChoices) {
  const std::string start = R"({"query": "A", "choices": ["b", "c"], "gold": )";
  EXPECT_EQ(read("questions", start + "1}").front().gold, 1u);
  expect_refused(start + "2}", ":1: field 'gold': 2 is outside the choices [0, 2)");
  expect_refused(start + "-1}", ":1: field 'gold': -1 is outside the choices [0, 2)");
  expect_refused(start + "18446744073709551615}",
                 ":1: field 'gold': 18446744073709551615 is outside");
  expect_refused(start + "1.0}", ":1: field 'gold': expected an index, got 1.0");
  expect_refused(start + "\"b\"}", ":1: field 'gold': expected an index, got \"b\"");
}

TEST_F(Questions, RefusesTextThatIsNotUtf8) {
  expect_refused(kGood + std::string("{\"query\": \"\xFF\", \"choices\": [\"b\", \"c\"]}"), "");
  expect_refused(R"({"query": "\ud800", "choices": ["b", "c"]})", ":1: not JSON");
}

TEST_F(Questions, RefusesAFileWithoutQuestions) {
  expect_refused("\n\n", ": holds no document of task questions");
}

}  // namespace
}  // namespace lckv::eval
