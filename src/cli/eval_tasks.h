#pragma once

#include <memory>
#include <string>
#include <vector>

#include "lckv/cli/evaluation.h"
#include "lckv/eval/run_tasks.h"

namespace lckv::cli {

/// The tasks that the command line names, read.
struct AskedTasks {
  std::shared_ptr<const data::Tokenizer> tokenizer;
  std::vector<eval::TaskInput> inputs;
  std::vector<std::string> files;  // of their documents
  eval::RunOptions options;
};

/// Tasks and files that the arguments name, in the order asked for; --questions FILE is the task
/// "questions". Not collective. Throws Error (kUsage) for files that belong to no task or tasks
/// without one, ConfigError (unknown task, limit, shots), what readers of files throw.
AskedTasks read_asked_tasks(const Evaluation& evaluation);

/// What came of them; a task none of whose documents could be asked is none of `results`.
struct AnsweredTasks {
  std::vector<eval::TaskInput> inputs;
  std::vector<eval::TaskResult> results;
  std::vector<std::string> failures;
  eval::RowScorer::Work work;  // of all copies of the model
  std::chrono::system_clock::time_point start, end;
};

/// On standard output; documents without a score on stderr.
void print_answers(const Evaluation& evaluation, const AnsweredTasks& answered);
/// What --output and --log-samples ask for.
void write_results(const Evaluation& evaluation, const AskedTasks& asked,
                   const AnsweredTasks& answered);
/// The result of --json.
nlohmann::ordered_json to_json(const Evaluation& evaluation, const AskedTasks& asked,
                               const AnsweredTasks& answered);

}  // namespace lckv::cli
