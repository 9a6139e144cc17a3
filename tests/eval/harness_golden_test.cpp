#include <cmath>

#include "harness_documents.h"
#include "harness_prompts.h"
#include "lckv/eval/python_random.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

// spec/evaluation.md section 4: the documents shuffled by Random(42), the SHA-256 of the JSON text
// of their prompts, and the metrics of scores -random() of a fresh Random(42).

class HarnessGolden : public WrittenFiles {
 protected:
  void prepare(const char* task, const std::string& lines) {
    input_.task = &find_task(task);
    input_.documents = read(task, lines);
    PythonRandom(42).shuffle(input_.documents);
  }

  TaskResult run() const { return score_at_random(input_); }

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
