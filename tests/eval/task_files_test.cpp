#include "lckv/eval/task_files.h"

#include "lckv/base/error.h"
#include "lckv/eval/task_fingerprint.h"
#include "lckv/test_support/refusal.h"
#include "written_files.h"

namespace lckv::eval {
namespace {

class TaskFolder : public WrittenFiles {
 protected:
  std::string put(const std::string& name) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    return write(name, "x");
  }
  std::string found(const char* task) const {
    return find_task_files(find_task(task), folder_.string()).documents;
  }
};

TEST_F(TaskFolder, HasFilesUnderTheirUsualNames) {
  const std::string by_authors = put("hellaswag_val.jsonl");
  EXPECT_EQ(found("hellaswag"), by_authors);
  const std::string in_folder = put("hellaswag/validation.jsonl.zst");
  EXPECT_EQ(found("hellaswag"), in_folder);
  const std::string by_task = put("hellaswag.jsonl.gz");
  EXPECT_EQ(found("hellaswag"), by_task);
  EXPECT_EQ(found("arc_easy"), put("ARC-Easy-Test.jsonl"));
  EXPECT_EQ(find_few_shot_file(find_task("arc_easy"), folder_.string()),
            put("arc_easy_train.jsonl"));
}

TEST_F(TaskFolder, NamesWhatItLookedFor) {
  put("boolq_train.jsonl");  // not what is evaluated
  test::expect_refusal<IoError>(
      [&] { found("boolq"); },
      folder_.string() + ": no documents of task boolq: looked for boolq, boolq_validation, ");
  test::expect_refusal<IoError>([&] { find_few_shot_file(find_task("piqa"), folder_.string()); },
                                "no training documents of task piqa");
  test::expect_refusal<IoError>([&] { find_task_files(find_task("piqa"), path("missing")); },
                                path("missing") + ": no such folder");
}

TEST_F(TaskFolder, HasAFingerprintOfWhatIsAsked) {
  const char* line = R"({"query": "1", "choices": ["aa", "b"], "gold": 0, "kind": "k"})";
  const auto fingerprint = [&](const std::string& text, const std::string& pool) {
    TaskInput input{&find_task("questions"), read("questions", text), {}};
    if (!pool.empty()) input.pool = read("questions", pool);
    return task_fingerprint(std::span(&input, 1));
  };
  const std::string plain = fingerprint(line, "");
  EXPECT_EQ(plain, fingerprint(line, ""));
  for (const char* other : {R"({"query": "1", "choices": ["aa", "c"], "gold": 0, "kind": "k"})",
                            R"({"query": "1", "choices": ["aa", "b"], "gold": 1, "kind": "k"})",
                            R"({"query": "1", "choices": ["aa", "b"], "kind": "k"})",
                            R"({"query": "1", "choices": ["aa", "b"], "gold": 0})"}) {
    EXPECT_NE(plain, fingerprint(other, "")) << other;
  }
  EXPECT_NE(plain, fingerprint(line, line));
}

}  // namespace
}  // namespace lckv::eval
