#include <algorithm>
#include <map>

#include "lckv/base/text.h"
#include "lckv/cli/eval_tasks.h"
#include "lckv/eval/few_shot.h"
#include "lckv/eval/task_files.h"
#include "lckv/kernels/cpu_threads.h"

namespace lckv::cli {

namespace {

constexpr const char* kQuestions = "questions";

[[noreturn]] void refuse(const std::string& why) { throw Error("eval: " + why, ExitCode::kUsage); }

/// TASK=FILE, in the order given.
struct NamedFile {
  std::string task, file;
};

std::vector<NamedFile> named_files(const std::vector<std::string>& assignments,
                                   const char* option) {
  std::vector<NamedFile> named;
  for (const std::string& text : assignments) {
    const size_t at = text.find('=');
    if (at == std::string::npos || at == 0 || at + 1 == text.size()) {
      refuse(format("{} '{}': expected TASK=FILE", option, text));
    }
    named.push_back({eval::find_task(text.substr(0, at)).name, text.substr(at + 1)});
    const auto same = [&](const NamedFile& other) { return other.task == named.back().task; };
    if (std::count_if(named.begin(), named.end(), same) > 1) {
      refuse(format("{}: two files for task {}", option, named.back().task));
    }
  }
  return named;
}

/// "" when none is named.
std::string file_of(const std::vector<NamedFile>& named, const std::string& task) {
  for (const NamedFile& one : named) {
    if (one.task == task) return one.file;
  }
  return "";
}

/// Of --tasks, which may hold several names in one text; without it those that have a file.
std::vector<std::string> task_names(const EvalArgs& args, const std::vector<NamedFile>& files) {
  std::vector<std::string> names;
  if (!args.questions.empty()) return {kQuestions};
  for (const std::string& text : args.tasks) {
    for (const std::string& name : split(text, ' ')) {
      if (!name.empty()) names.push_back(eval::find_task(name).name);
    }
  }
  if (args.tasks.empty()) {
    for (const NamedFile& one : files) names.push_back(one.task);
  }
  if (names.empty()) refuse("--tasks names no task");
  for (const std::string& name : names) {
    if (std::count(names.begin(), names.end(), name) > 1) {
      refuse(format("task {} is asked twice", name));
    }
  }
  return names;
}

void require_asked(const std::vector<NamedFile>& files, const std::vector<std::string>& names,
                   const char* option) {
  for (const NamedFile& one : files) {
    if (std::find(names.begin(), names.end(), one.task) != names.end()) continue;
    refuse(format("{} {}={}: the task is not among those of --tasks", option, one.task, one.file));
  }
}

eval::TaskFiles documents_of(const EvalArgs& args, const eval::Task& task,
                             const std::vector<NamedFile>& files) {
  if (!args.questions.empty()) return {args.questions, ""};
  const std::string named = file_of(files, task.name);
  if (!named.empty()) return {named, ""};
  if (args.task_data.empty()) {
    refuse(format("task {}: where are its documents? --task-data FOLDER or --task-file {}=FILE",
                  task.name, task.name));
  }
  return eval::find_task_files(task, args.task_data);
}

std::vector<eval::Document> examples_of(const EvalArgs& args, const eval::Task& task,
                                        const std::vector<NamedFile>& files) {
  if (args.num_fewshot == 0 || task.output == eval::OutputKind::kRolling) return {};
  std::string path = file_of(files, task.name);
  if (path.empty() && args.task_data.empty()) {
    refuse(
        format("task {}: where are the examples of --num-fewshot {}? --fewshot-file {}=FILE, or "
               "--task-data FOLDER",
               task.name, args.num_fewshot, task.name));
  }
  if (path.empty()) path = eval::find_few_shot_file(task, args.task_data);
  return eval::read_documents(task, {path, ""});
}

eval::RunOptions run_options(const Evaluation& e) {
  eval::RunOptions options;
  options.shots = e.args.num_fewshot;
  options.limit = e.args.limit;
  // Training puts BOS in front of documents, and so do questions of our own format.
  options.compat = e.args.questions.empty() ? eval::Compat::kLmEval045 : eval::Compat::kLmEvalHead;
  if (!e.args.compat.empty()) options.compat = eval::parse_compat(e.args.compat);
  options.max_inputs = e.source.config().max_position_embeddings;
  options.bootstrap_resamples = e.speaks() ? e.args.bootstrap_iters : 0;
  options.threads = ops::cpu_threads();
  return options;
}

}  // namespace

AskedTasks read_asked_tasks(const Evaluation& e) {
  AskedTasks asked;
  asked.options = run_options(e);
  const auto files = named_files(e.args.task_files, "--task-file");
  const auto examples = named_files(e.args.fewshot_files, "--fewshot-file");
  const std::vector<std::string> names = task_names(e.args, files);
  require_asked(files, names, "--task-file");
  require_asked(examples, names, "--fewshot-file");
  asked.tokenizer = e.tokenizer();
  for (const std::string& name : names) {
    const eval::Task& task = eval::find_task(name);
    const eval::TaskFiles documents = documents_of(e.args, task, files);
    asked.files.push_back(documents.documents);
    asked.inputs.push_back(
        {&task, eval::read_documents(task, documents), examples_of(e.args, task, examples)});
    const eval::TaskInput& input = asked.inputs.back();
    eval::documents_to_ask(asked.options.limit, input.documents.size());
    eval::FewShot(task, input.pool, asked.options.shots);  // refuses now what it would refuse later
  }
  return asked;
}

}  // namespace lckv::cli
