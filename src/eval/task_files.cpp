#include "lckv/eval/task_files.h"

#include <filesystem>
#include <map>
#include <vector>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/text_edit.h"

namespace lckv::eval {

namespace {

/// What the authors of a dataset call its files, without ".jsonl".
struct AuthorsNames {
  std::vector<std::string> evaluated, training;
};

const AuthorsNames& names_by_authors(const std::string& task) {
  static const std::map<std::string, AuthorsNames> names = {
      {"hellaswag", {{"hellaswag_val"}, {"hellaswag_train"}}},
      {"openbookqa", {{"openbook_qa", "OpenBookQA/test"}, {"OpenBookQA/train"}}},
      {"winogrande", {{"winogrande/dev", "winogrande_1.1/dev"}, {"winogrande_1.1/train_xl"}}},
      {"arc_easy", {{"ARC-Easy-Test", "ARC-Easy/ARC-Easy-Test"}, {"ARC-Easy-Train"}}},
      {"arc_challenge",
       {{"ARC-Challenge-Test", "ARC-Challenge/ARC-Challenge-Test"}, {"ARC-Challenge-Train"}}},
      {"boolq", {{"BoolQ/val"}, {"BoolQ/train"}}},
      {"piqa", {{"piqa/valid", "piqa_valid"}, {}}},
      {"lambada_openai", {{"lambada_test_en", "lambada_test"}, {}}},
  };
  static const AuthorsNames none;
  const auto found = names.find(task);
  return found == names.end() ? none : found->second;
}

std::vector<std::string> of_split(const Task& task, const std::string& split) {
  return {format("{}_{}", task.name, split), format("{}-{}", task.name, split),
          format("{}/{}", task.name, split)};
}

std::string first_existing(const Task& task, const std::string& folder,
                           const std::vector<std::string>& names, const char* what) {
  if (!std::filesystem::is_directory(folder)) {
    throw IoError(format("{}: no such folder of task files", folder));
  }
  for (const std::string& name : names) {
    for (const char* const packed : {"", ".gz", ".zst"}) {
      const std::string path = format("{}/{}.jsonl{}", folder, name, packed);
      if (std::filesystem::exists(path)) return path;
    }
  }
  throw IoError(format("{}: no {} of task {}: looked for {}, each .jsonl, .jsonl.gz and .jsonl.zst",
                       folder, what, task.name, listed(names)));
}

}  // namespace

TaskFiles find_task_files(const Task& task, const std::string& folder) {
  std::vector<std::string> names = {task.name};
  for (const std::string& name : of_split(task, task.split)) names.push_back(name);
  for (const std::string& name : names_by_authors(task.name).evaluated) names.push_back(name);
  return {first_existing(task, folder, names, "documents"), ""};
}

std::string find_few_shot_file(const Task& task, const std::string& folder) {
  std::vector<std::string> names = of_split(task, "train");
  for (const std::string& name : names_by_authors(task.name).training) names.push_back(name);
  return first_existing(task, folder, names, "training documents");
}

}  // namespace lckv::eval
