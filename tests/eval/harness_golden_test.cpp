#include <cmath>

#include "harness_documents.h"
#include "lckv/base/text.h"
#include "lckv/data/sha256.h"
#include "lckv/data/utf8.h"
#include "lckv/eval/python_random.h"
#include "lckv/eval/run_tasks.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

// spec/evaluation.md section 4: the documents shuffled by Random(42), the SHA-256 of the JSON text
// of their prompts, and the metrics of scores -random() of a fresh Random(42).

std::string json_character(const data::Utf8Character& character) {
  const uint32_t c = character.code_point;
  switch (c) {
    case '"':
      return "\\\"";
    case '\\':
      return "\\\\";
    case '\n':
      return "\\n";
    case '\t':
      return "\\t";
    default:
      break;
  }
  if (c >= 0x20 && c < 0x7F) return {static_cast<char>(c)};
  if (c < 0x10000) return format("\\u{:04x}", c);
  return format("\\u{:04x}\\u{:04x}", 0xD800 + ((c - 0x10000) >> 10), 0xDC00 + (c & 0x3FF));
}

std::string json_text(const std::string& text) {
  std::string json = "\"";
  for (size_t at = 0; at < text.size();) {
    const data::Utf8Character character = data::utf8_character(text, at);
    json += json_character(character);
    at += character.size_bytes;
  }
  return json + "\"";
}

std::string prompts_hash(const std::vector<Document>& documents) {
  std::string json = "[";
  for (const Document& document : documents) {
    for (const Prompt& prompt : document.prompts) {
      json += json.size() > 1 ? ", " : "";
      json += "[" + json_text(prompt.context) + ", " + json_text(prompt.continuation) + "]";
    }
  }
  return data::sha256_hex(json + "]");
}

class HarnessGolden : public WrittenFiles {
 protected:
  void prepare(const char* task, const std::string& lines) {
    input_.task = &find_task(task);
    input_.documents = read(task, lines);
    PythonRandom(42).shuffle(input_.documents);
  }

  TaskResult run() const {
    PythonRandom random(42);
    const auto score = [&](std::span<const TokenPair> rows) {
      std::vector<RequestScore> scores(rows.size());
      for (RequestScore& own : scores) own.ll = -random.uniform();
      return scores;
    };
    RunOptions options;
    options.max_inputs = 4096;
    return run_task(input_, *data::bytes_tokenizer(), options, score);
  }

  TaskInput input_;
};

void expect_metric(const TaskResult& result, size_t index, double value, double std_error) {
  ASSERT_LT(index, result.metrics.size());
  EXPECT_NEAR(result.metrics[index].estimate.value, value, 0x1p-50);
  EXPECT_NEAR(*result.metrics[index].estimate.std_error, std_error, 1000 * 0x1p-53);
}

TEST_F(HarnessGolden, Openbookqa) {
  prepare("openbookqa", kOpenbookqa);
  EXPECT_EQ(prompts_hash(input_.documents),
            "4724dbb32c8e533e6f9e26bcfe503ffb0515e47d2855a5014b628ca90694e2a2");
  const TaskResult result = run();
  expect_metric(result, 0, 0.5, 0.28867513459481287);
  expect_metric(result, 1, 0.5, 0.28867513459481287);
}

TEST_F(HarnessGolden, Winogrande) {
  prepare("winogrande", kWinogrande);
  EXPECT_EQ(prompts_hash(input_.documents),
            "24d54475cca797b7489968fe865df6a900dae591435d397ff3a0ef8666a51fdc");
  const TaskResult result = run();
  expect_metric(result, 0, 1.0 / 3, 0.33333333333333337);
  EXPECT_EQ(result.metrics.size(), 1u);
}

TEST_F(HarnessGolden, Arc) {
  prepare("arc_easy", kArc);
  EXPECT_EQ(prompts_hash(input_.documents),
            "896bc4dd648f818236f7423779f03e15227c9f66ff8070cd447fd2028c771d8b");
  const TaskResult result = run();
  expect_metric(result, 0, 1.0 / 3, 0.33333333333333337);
  expect_metric(result, 1, 1.0 / 3, 0.33333333333333337);
}

TEST_F(HarnessGolden, Hellaswag) {
  prepare("hellaswag", kHellaswag);
  EXPECT_EQ(prompts_hash(input_.documents),
            "390d686046504fdc3b0659738330444102d98a265aeb5deec9d227384153c0f8");
  const TaskResult result = run();
  expect_metric(result, 0, 1.0, 0.0);
  expect_metric(result, 1, 0.5, 0.5);
}

TEST_F(HarnessGolden, Piqa) {
  prepare("piqa", kPiqa);
  EXPECT_EQ(prompts_hash(input_.documents),
            "7539dc94c57d55472e753cb398b041dde3cac6b16cc9f883d45d1554d2c078f1");
  const TaskResult result = run();
  expect_metric(result, 0, 2.0 / 3, 0.33333333333333337);
  expect_metric(result, 1, 1.0 / 3, 0.33333333333333337);
}

TEST_F(HarnessGolden, SciqOfTheHarnessItself) {
  // The right answer is always the last: accuracy and error follow from the number of documents.
  std::string lines;
  for (int i = 0; i < 1000; ++i) {
    lines += R"({"support": "s", "question": "q", "distractor1": "a", "distractor2": "b",)"
             R"( "distractor3": "c", "correct_answer": "d"})"
             "\n";
  }
  prepare("sciq", lines);
  expect_metric(run(), 0, 0.234, 0.01339490288966001);
}

TEST_F(HarnessGolden, ChangesWithOneCharacterOfOnePrompt) {
  prepare("piqa", kPiqa);
  const std::string hash = prompts_hash(input_.documents);
  input_.documents.back().prompts.back().continuation += " ";
  EXPECT_NE(prompts_hash(input_.documents), hash);
}

}  // namespace
}  // namespace lckv::eval
