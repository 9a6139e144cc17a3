#include "lckv/train/evaluation_data.h"

#include <algorithm>
#include <filesystem>
#include <span>

#include "lckv/base/error.h"
#include "lckv/base/stream_hash.h"
#include "lckv/base/text.h"
#include "lckv/eval/perplexity_rows.h"
#include "lckv/eval/read_documents.h"
#include "lckv/eval/task_files.h"
#include "lckv/model/layer_spec.h"
#include "lckv/train/exact_validation.h"

namespace lckv::train {

namespace {

namespace fs = std::filesystem;

eval::TaskFiles documents_of(const config::EvalConfig& eval, const eval::Task& task) {
  const auto given = eval.task_files.find(task.name);
  if (given != eval.task_files.end()) return {given->second, ""};
  return eval::find_task_files(task, eval.task_data);
}

std::string examples_of(const config::EvalConfig& eval, const eval::Task& task) {
  const auto given = eval.fewshot_files.find(task.name);
  if (given != eval.fewshot_files.end()) return given->second;
  if (!eval.task_data.empty()) return eval::find_few_shot_file(task, eval.task_data);
  throw ConfigError(
      format("eval.num_fewshot: is {}, but neither eval.task_data nor eval.fewshot_files gives "
             "examples of {}",
             eval.num_fewshot, task.name));
}

/// "questions" of "data/questions.jsonl.gz".
std::string name_of_file(const std::string& path) {
  const std::string name = fs::path(path).filename().string();
  return name.substr(0, name.find('.'));
}

eval::RunOptions options_for(const config::RunConfig& run, int threads) {
  eval::RunOptions options;
  options.shots = run.eval.num_fewshot;
  if (run.eval.limit > 0) options.limit = run.eval.limit;
  options.compat = eval::parse_compat(run.eval.compat);
  options.max_inputs = run.model.max_position_embeddings;
  options.bootstrap_resamples = 0;  // takes longer than a small model its answers
  options.threads = threads;
  return options;
}

EvaluationTask read_task(const config::RunConfig& run, const std::string& name, int threads) {
  EvaluationTask task{name, {}, options_for(run, threads)};
  task.input.task = &eval::find_task(name);
  const eval::Task& asked = *task.input.task;
  task.input.documents = read_documents(asked, documents_of(run.eval, asked));
  if (task.options.shots > 0) {
    task.input.pool = read_documents(asked, {examples_of(run.eval, asked), ""});
  }
  return task;
}

EvaluationTask read_questions(const config::RunConfig& run, const std::string& file, int threads) {
  EvaluationTask task{name_of_file(file), {}, options_for(run, threads)};
  task.input.task = &eval::find_task("questions");
  task.input.documents = read_documents(*task.input.task, {file, ""});
  task.options.compat = eval::Compat::kLmEvalHead;  // BOS in front, as of training documents
  task.options.shots = 0;
  return task;
}

void require_different_names(const std::vector<EvaluationTask>& tasks) {
  for (auto task = tasks.begin(); task != tasks.end(); ++task) {
    const bool is_first = std::none_of(tasks.begin(), task, [&](const EvaluationTask& before) {
      return before.name == task->name;
    });
    if (is_first) continue;
    throw ConfigError(
        format("eval: two tasks or files of questions would have their scores under the name {}",
               task->name));
  }
}

void add(StreamHash& hash, std::span<const eval::TokenPair> rows) {
  for (const eval::TokenPair& row : rows) {
    hash.update(row.tokens.data(), row.tokens.size() * sizeof(int32_t));
    hash.update(&row.scored, sizeof(row.scored));
  }
}

/// Goes the way of an evaluation, without a model.
void try_out(EvaluationData& data, const EvaluationTask& task, StreamHash& hash) {
  const auto score = [&](std::span<const eval::TokenPair> rows) {
    add(hash, rows);
    return std::vector<eval::RequestScore>(rows.size());
  };
  const eval::TaskResult result = run_task(task.input, *data.tokenizer, task.options, score);
  if (result.errors == 0) return;
  data.warnings.push_back(format("{}: {} of {} documents cannot be asked; the first: {}", task.name,
                                 result.errors, result.samples.size(), result.first_error));
}

}  // namespace

EvaluationData::EvaluationData(const config::RunConfig& run, int64_t B, int threads)
    : tokenizer(data::load_tokenizer(run.data.train.front())) {
  for (const std::string& name : run.eval.tasks) tasks.push_back(read_task(run, name, threads));
  for (const std::string& file : run.eval.questions) {
    tasks.push_back(read_questions(run, file, threads));
  }
  require_different_names(tasks);
  StreamHash hash;
  for (const EvaluationTask& task : tasks) try_out(*this, task, hash);
  if (validates_exactly(run)) {
    exact_sequences.emplace(run.data, B, exact_tokens(run));
    if (model::is_iterated(run.model)) exact_rows = eval::rows_of(*exact_sequences);
    add(hash, exact_rows);
  }
  fingerprint = format("{:016x}", hash.digest());
}

}  // namespace lckv::train
