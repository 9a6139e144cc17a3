#include "lckv/eval/results.h"

#include <map>

#include <nlohmann/json.hpp>

#include "lckv/base/error.h"
#include "lckv/base/text.h"
#include "lckv/eval/result_paths.h"
#include "lckv/eval/sample_log.h"

namespace lckv::eval {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kNumpySeed = 1234, kTorchSeed = 1234, kRandomSeed = 0;

double unix_seconds(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

Json metrics_json(std::span<const MetricResult> metrics) {
  Json values = Json::object();
  for (const MetricResult& metric : metrics) {
    const auto& [value, std_error] = metric.estimate;
    values[format("{},none", name(metric.metric))] = value;
    values[format("{}_stderr,none", name(metric.metric))] =
        std_error ? Json(*std_error) : Json("N/A");
  }
  return values;
}

Json values_json(const TaskResult& result) {
  Json values = {{"alias", result.task->name}};
  values.update(metrics_json(result.metrics));
  return values;
}

Json metric_list(const Task& task) {
  Json list = Json::array();
  for (const Metric metric : task.metrics) {
    list.push_back({{"metric", name(metric)},
                    {"aggregation", aggregation(metric)},
                    {"higher_is_better", higher_is_better(metric)}});
  }
  return list;
}

Json config_json(const TaskResult& result) {
  const Task& task = *result.task;
  Json config = {{"task", task.name}, {"dataset_path", task.dataset_path}};
  if (!task.dataset_name.empty()) config["dataset_name"] = task.dataset_name;
  config[task.split + "_split"] = task.split;
  config["description"] = "";
  config["target_delimiter"] = " ";
  config["fewshot_delimiter"] = "\n\n";
  config["num_fewshot"] = result.shots;
  config["metric_list"] = metric_list(task);
  config["output_type"] = name(task.output);
  config["repeats"] = 1;
  config["metadata"] = {{"version", task.version}};
  return config;
}

Json directions_json(const Task& task) {
  Json directions;
  for (const Metric metric : task.metrics) {
    directions[std::string(name(metric))] = higher_is_better(metric);
  }
  return directions;
}

/// The parts that have one entry per task; but for "results" in the order of their names.
void add_tasks(std::span<const TaskResult> results, Json& all) {
  for (const TaskResult& result : results) {
    if (all["results"].contains(result.task->name)) {
      throw ConfigError(format("task {} is asked twice", result.task->name));
    }
    all["results"][result.task->name] = values_json(result);
  }
  std::map<std::string, const TaskResult*> sorted;
  for (const TaskResult& result : results) sorted[result.task->name] = &result;
  for (const auto& [name, result] : sorted) {
    all["group_subtasks"][name] = Json::array();
    all["configs"][name] = config_json(*result);
    all["versions"][name] = result->task->version;
    all["n-shot"][name] = result->shots;
    all["higher_is_better"][name] = directions_json(*result->task);
    all["n-samples"][name] = {{"original", result->original},
                              {"effective", std::ssize(result->samples)}};
  }
}

Json limit_json(const RunOptions& options) {
  return options.limit ? Json(*options.limit) : Json(nullptr);
}

Json run_json(const RunOptions& options, const RunFacts& facts) {
  return {{"model", facts.model_source},
          {"model_args", facts.model_args},
          {"model_num_parameters", facts.parameters},
          {"model_dtype", facts.dtype},
          {"model_revision", "main"},
          {"model_sha", ""},
          {"batch_size", facts.batch_size},
          {"batch_sizes", Json::array()},
          {"device", facts.device},
          {"use_cache", nullptr},
          {"limit", limit_json(options)},
          {"bootstrap_iters", options.bootstrap_resamples},
          {"gen_kwargs", nullptr},
          {"random_seed", kRandomSeed},
          {"numpy_seed", kNumpySeed},
          {"torch_seed", kTorchSeed},
          {"fewshot_seed", options.few_shot_seed}};
}

Json token_json(const data::Tokenizer& tokenizer, const std::optional<int32_t>& id) {
  if (!id) return nullptr;
  return Json::array({tokenizer.piece(*id), std::to_string(*id)});
}

void add_tokenizer(const data::Tokenizer& tokenizer, int64_t max_inputs, Json& all) {
  all["tokenizer_pad_token"] = nullptr;  // rows are padded with what no model sees
  all["tokenizer_eos_token"] = token_json(tokenizer, tokenizer.eos_id());
  all["tokenizer_bos_token"] = token_json(tokenizer, tokenizer.bos_id());
  all["eot_token_id"] = tokenizer.eos_id() ? Json(*tokenizer.eos_id()) : Json(nullptr);
  all["max_length"] = max_inputs;
}

Json kinds_json(const TaskResult& result) {
  Json kinds;
  for (const auto& [kind, own] : result.by_kind) {
    kinds[kind] = metrics_json(own.metrics);
    kinds[kind]["scored"] = own.scored;
  }
  return kinds;
}

Json engine_json(std::span<const TaskResult> results, const RunFacts& facts) {
  Json engine;
  for (const auto& [key, value] : facts.engine) engine[key] = value;
  int64_t tokens = 0;
  Json tasks;
  for (const TaskResult& result : results) {
    tokens += result.tokens;
    Json& own = tasks[result.task->name];
    own = {{"scored", result.scored}, {"errors", result.errors}};
    if (result.errors > 0) own["first_error"] = result.first_error;
    if (!result.by_kind.empty()) own["by_kind"] = kinds_json(result);
  }
  const double elapsed_s = unix_seconds(facts.end) - unix_seconds(facts.start);
  engine["tokens_per_s"] = elapsed_s > 0 ? static_cast<double>(tokens) / elapsed_s : 0.0;
  engine["tasks"] = tasks;
  return engine;
}

}  // namespace

std::string results_json(std::span<const TaskInput> inputs, std::span<const TaskResult> results,
                         const RunOptions& options, const data::Tokenizer& tokenizer,
                         const RunFacts& facts, int indent) {
  LCKV_CHECK(inputs.size() == results.size(), "one result per task");
  Json all;
  add_tasks(results, all);
  all["config"] = run_json(options, facts);
  all["git_hash"] = facts.program_version;
  all["date"] = unix_seconds(facts.start);
  all["pretty_env_info"] = facts.environment;
  all["transformers_version"] = nullptr;
  all["upper_git_hash"] = nullptr;
  add_tokenizer(tokenizer, options.max_inputs, all);
  all["task_hashes"] = Json::object();
  for (size_t i = 0; facts.samples_logged && i < results.size(); ++i) {
    all["task_hashes"][results[i].task->name] = task_hash(inputs[i], results[i]);
  }
  all["model_source"] = facts.model_source;
  all["model_name"] = facts.model_name;
  all["model_name_sanitized"] = sanitized(facts.model_name);
  for (const char* absent : {"system_instruction", "system_instruction_sha"}) all[absent] = nullptr;
  all["fewshot_as_multiturn"] = false;
  for (const char* absent : {"chat_template", "chat_template_sha"}) all[absent] = nullptr;
  all["start_time"] = unix_seconds(facts.start);
  all["end_time"] = unix_seconds(facts.end);
  all["total_evaluation_time_seconds"] =
      format("{}", unix_seconds(facts.end) - unix_seconds(facts.start));
  all["engine"] = engine_json(results, facts);
  return all.dump(indent) + "\n";
}

}  // namespace lckv::eval
